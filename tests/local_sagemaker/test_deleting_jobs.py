"""A job that has ended can be deleted, and its name be given again."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError


def refusal(call, **members) -> tuple[str, str]:
    with pytest.raises(ClientError) as error:
        call(**members)
    told = error.value.response["Error"]
    return told["Code"], told["Message"]


@pytest.mark.parametrize("kind", ["processing", "training"])
def test_a_deleted_job_is_gone_and_its_name_is_free(bench, kind):
    request = getattr(bench, f"{kind}_request")("print('first')")
    request["Tags"] = [{"Key": "run", "Value": "first"}]
    member = f"{kind.title()}JobName"
    name = request[member]
    arn = bench.run(request)[f"{kind.title()}JobArn"]
    delete = getattr(bench.sagemaker, f"delete_{kind}_job")
    delete(**{member: name.upper()})
    describe = getattr(bench.sagemaker, f"describe_{kind}_job")
    assert refusal(describe, **{member: name})[0] == "ValidationException"
    listed = getattr(bench.sagemaker, f"list_{kind}_jobs")(NameContains=name)
    assert listed[f"{kind.title()}JobSummaries"] == []
    assert refusal(delete, **{member: name})[0] == "ResourceNotFound"
    del request["Tags"]
    assert bench.run(request)[f"{kind.title()}JobStatus"] == "Completed"
    assert bench.sagemaker.list_tags(ResourceArn=arn)["Tags"] == []
    # What a job has printed is CloudWatch's.
    assert bench.all_lines(name) == ["first", "first"]


@pytest.mark.parametrize("kind", ["processing", "training"])
def test_a_job_that_runs_is_not_deleted(bench, kind):
    name = bench.start(getattr(bench, f"{kind}_request")("import time; time.sleep(60)"))
    delete, members = getattr(bench.sagemaker, f"delete_{kind}_job"), f"{kind.title()}JobName"
    code, message = refusal(delete, **{members: name})
    assert code == "ResourceInUse"
    assert f"The {kind} job {name} cannot be deleted: it is in status InProgress" in message
    bench.stop(name)
    bench.finish(name)
    delete(**{members: name})


def test_a_job_with_a_warm_pool_is_not_deleted(bench):
    request = bench.training_request("print('warm')")
    request["ResourceConfig"]["KeepAlivePeriodInSeconds"] = 600
    name = request["TrainingJobName"]
    bench.run(request)
    code, message = refusal(bench.sagemaker.delete_training_job, TrainingJobName=name)
    assert (code, "warm pool" in message) == ("ResourceInUse", True)


def test_a_tuner_that_runs_keeps_its_training_jobs(bench, poll):
    training = bench.training_request(
        "import os, time; print('loss=1'); time.sleep(60 * (os.environ['SM_HP_WAIT'] == 'yes'))",
        toolkit=True,
        algorithm={"MetricDefinitions": [{"Name": "loss", "Regex": "loss=(.*)"}]},
    )
    del training["TrainingJobName"]
    name = bench.name("tuner")
    bench.sagemaker.create_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=name,
        HyperParameterTuningJobConfig={
            "Strategy": "Grid",
            "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"},
            "ResourceLimits": {"MaxParallelTrainingJobs": 2},
            "ParameterRanges": {
                "CategoricalParameterRanges": [{"Name": "wait", "Values": ["no", "yes"]}]
            },
        },
        TrainingJobDefinition={
            "StaticHyperParameters": training.pop("HyperParameters"),
            **training,
        },
    )

    def ended():
        jobs = bench.sagemaker.list_training_jobs(NameContains=name, StatusEquals="Completed")
        return jobs["TrainingJobSummaries"]

    (job,) = poll(ended, what="the first training job")
    delete = bench.sagemaker.delete_training_job
    code, message = refusal(delete, TrainingJobName=job["TrainingJobName"])
    assert code == "ResourceInUse"
    assert f"tuning job {name} has not ended" in message
    bench.sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    describe = bench.sagemaker.describe_hyper_parameter_tuning_job
    poll(
        lambda: (
            describe(HyperParameterTuningJobName=name)["HyperParameterTuningJobStatus"] == "Stopped"
        ),
        what="the tuner's end",
    )
    delete(TrainingJobName=job["TrainingJobName"])
    left = bench.sagemaker.list_training_jobs_for_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=name
    )["TrainingJobSummaries"]
    assert [one["TrainingJobStatus"] for one in left] == ["Stopped"]
