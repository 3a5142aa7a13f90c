"""Transform and Tuning steps: what each sends, caught before it is sent; test_runs.py runs them."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from retraining.jobs.kinds import TRANSFORM, TUNING, run_time_limit

from tests.retraining.sagemaker_pipelines.test_compiler import GET, ROLE
from tests.retraining.sagemaker_pipelines.test_operators import IMAGE, Run

TRANSFORM_STEP = {
    "Name": "Score-all-rows-of-the-night", "Type": "Transform", "Arguments": {
        "ModelName": "m",
        "TransformInput": {"DataSource": {"S3DataSource": {
            "S3DataType": "S3Prefix", "S3Uri": {GET: "Parameters.In"}}}, "ContentType": "text/csv"},
        "TransformOutput": {"S3OutputPath": "s3://steps/out"},
        "TransformResources": {"InstanceCount": 1, "InstanceType": "ml.m5.large"},
    },
}  # fmt: skip
TUNING_STEP = {
    "Name": "Tune-the-depth-and-the-rate", "Type": "Tuning", "Arguments": {
        "HyperParameterTuningJobConfig": {
            "Strategy": "Random",
            "ResourceLimits": {"MaxNumberOfTrainingJobs": 2, "MaxParallelTrainingJobs": 1},
            "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "rmse"},
            "ParameterRanges": {"IntegerParameterRanges": [
                {"Name": "depth", "MinValue": "1", "MaxValue": "9"}]},
        },
        "TrainingJobDefinition": {
            "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
            "RoleArn": ROLE,
            "OutputDataConfig": {"S3OutputPath": {GET: "Parameters.In"}},
            "ResourceConfig": {
                "InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
            "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        },
    },
}  # fmt: skip


class SentError(Exception):
    """The request was about to be sent."""


@pytest.fixture(scope="module")
def airflow(become_a_task: Any) -> SimpleNamespace:
    """The compiler in an Airflow of its own, imported after its home is known."""
    become_a_task(RETRAINING_BUCKET="steps")
    from airflow.sdk.exceptions import AirflowFailException  # noqa: PLC0415
    from retraining.sagemaker_pipelines.compiler import pipeline_dag  # noqa: PLC0415

    return SimpleNamespace(pipeline_dag=pipeline_dag, Fail=AirflowFailException)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What is sent to create a job; that it does not exist is answered to each Describe."""
    from retraining.aws import clients  # noqa: PLC0415

    found: dict[str, Any] = {}
    real = clients.client

    def answer(request: Any, **_: Any) -> Any:
        operation = request.headers["X-Amz-Target"].decode().rpartition(".")[2]
        if operation.startswith("Create"):
            found[operation] = json.loads(request.body)
            raise SentError(operation)
        assert operation.startswith("Describe")
        body = b'{"__type": "ValidationException", "message": "Could not find it"}'
        headers = {"x-amzn-errortype": "ValidationException"}
        return AWSResponse(request.url, 400, headers, SimpleNamespace(stream=lambda: iter([body])))

    def client(service: str, **options: Any) -> Any:
        made = real(service, **options)
        if service == "sagemaker":
            made.meta.events.register("before-send.sagemaker", answer)
        return made

    monkeypatch.setattr(clients, "client", client)
    return found


@pytest.mark.parametrize(
    ("step", "operation", "name_member", "longest"),
    [
        (TRANSFORM_STEP, "CreateTransformJob", "TransformJobName", 63),
        (TUNING_STEP, "CreateHyperParameterTuningJob", "HyperParameterTuningJobName", 32),
    ],
)
def test_the_request_is_what_botocore_and_the_service_accept(
    airflow: SimpleNamespace,
    sent: dict[str, Any],
    step: dict[str, Any],
    operation: str,
    name_member: str,
    longest: int,
) -> None:
    parameters = [{"Name": "In", "Type": "String", "DefaultValue": "s3://steps/in/"}]
    names = set()
    for _ in range(2):
        run = Run(airflow, step, name="jobs", members={"Parameters": parameters})
        with pytest.raises(SentError):
            run.do(step["Name"])
        request = sent[operation]
        names.add(request[name_member])
        assert {"Key": "airflow:task_id", "Value": step["Name"]} in request["Tags"]
        asked = json.loads(json.dumps(step["Arguments"]).replace(
            '{"Get": "Parameters.In"}', '"s3://steps/in/"'
        ))  # fmt: skip
        assert {k: v for k, v in request.items() if k not in {name_member, "Tags"}} == asked
    (name,) = names
    assert len(name) <= longest


def test_how_long_a_job_may_run_is_what_its_kind_allows() -> None:
    limits = {"HyperParameterTuningJobConfig": {"ResourceLimits": {"MaxRuntimeInSeconds": 60}}}
    assert run_time_limit({"TransformJobName": "a"}).days == 5
    assert run_time_limit({"HyperParameterTuningJobName": "a"}).days == 30
    assert run_time_limit({"HyperParameterTuningJobName": "a", **limits}).total_seconds() == 60
    assert run_time_limit({"TrainingJobName": "a"}).days == 1
    assert (TRANSFORM.longest_name, TUNING.longest_name) == (63, 32)
