"""Which running jobs nobody waits for."""

from __future__ import annotations

import io
import tarfile
import time
from typing import TYPE_CHECKING, Any

import pytest
from retraining import naming
from retraining.jobs import tasks
from retraining.jobs.kinds import TRAINING, JobType
from retraining.jobs.orphans import RunningJob, orphans, running_jobs
from retraining.settings import settings

if TYPE_CHECKING:
    from collections.abc import Iterator

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-py312-cpu-py3"


def job(name: str, run: str = "r") -> RunningJob:
    owner = {"dag_id": "d", "run_id": run, "task_id": "t", "map_index": "-1"}
    return RunningJob(JobType("Training"), name, owner)


def test_a_job_whose_task_is_over_is_an_orphan() -> None:
    found = list(
        orphans(
            iter([job("a", "ended"), job("b", "waits")]),
            lambda owner: "it has ended" if owner["run_id"] == "ended" else None,
        )
    )
    assert [(orphan.job.name, orphan.reason) for orphan in found] == [("a", "it has ended")]


def test_the_older_of_two_jobs_of_a_task_is_an_orphan() -> None:
    found = list(orphans(iter([job("newer"), job("older"), job("other", "x")]), lambda _: None))
    assert [orphan.job.name for orphan in found] == ["older"]
    assert "newer job" in found[0].reason


@pytest.fixture
def running(embedded_sagemaker: Any) -> Iterator[Any]:
    """Four running jobs: of a run that ended, of one that goes on, of others, of nobody."""
    sagemaker = embedded_sagemaker.client("sagemaker")
    tags = {
        "orphan-of-ours": {"deployment": "ours", "run_id": "ended"},
        "waited-for": {"deployment": "ours", "run_id": "runs"},
        "unknown-run": {"deployment": "ours", "run_id": "unknown"},
        "of-another-deployment": {"deployment": "theirs", "run_id": "ended"},
        "of-nobody": {},
    }
    for name, owner in tags.items():
        keyed = owner and {"dag_id": "d", "task_id": "t", "map_index": "-1", **owner}
        sagemaker.create_processing_job(
            ProcessingJobName=name,
            RoleArn="arn:aws:iam::123456789012:role/retraining",
            AppSpecification={"ImageUri": IMAGE, "ContainerEntrypoint": ["sleep", "60"]},
            ProcessingResources={
                "ClusterConfig": {
                    "InstanceCount": 1,
                    "InstanceType": "ml.m5.large",
                    "VolumeSizeInGB": 1,
                }
            },
            Tags=[{"Key": naming.tag_key(key), "Value": value} for key, value in keyed.items()],
        )
    yield sagemaker
    for name in tags:
        if status(sagemaker, name) == "InProgress":
            sagemaker.stop_processing_job(ProcessingJobName=name)


def status(sagemaker: Any, name: str) -> str:
    described = sagemaker.describe_processing_job(ProcessingJobName=name)
    return str(described["ProcessingJobStatus"])


class TaskStates:
    """Answers as a task's own instance does: only for runs that this Airflow knows."""

    def get_task_states(self, *, run_ids: list[str], **_: Any) -> dict[str, dict[str, str]]:
        known = {"ended": {"t": "failed"}, "runs": {"t": "deferred"}}
        return {run: known[run] for run in run_ids if run in known}


def test_only_our_orphans_are_stopped_and_only_if_that_is_allowed(
    running: Any,
    embedded_sagemaker: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for name, value in embedded_sagemaker.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", '{"conn_type": "aws"}')
    monkeypatch.setenv("RETRAINING_BUCKET", "ours")
    monkeypatch.setenv("RETRAINING_ROLE_ARN", "arn:aws:iam::123456789012:role/retraining")
    found = {job.name for job in running_jobs(running, deployment="ours")}
    assert found == {"orphan-of-ours", "waited-for", "unknown-run"}
    settings.cache_clear()
    with caplog.at_level("WARNING"):
        assert tasks.stop_orphans(ti=TaskStates()) == []
    assert "orphan-of-ours would be stopped, as t of d, run ended, is failed" in caplog.text
    assert status(running, "orphan-of-ours") == "InProgress"
    monkeypatch.setenv("RETRAINING_STOP_ORPHANS", "true")
    settings.cache_clear()
    assert tasks.stop_orphans(ti=TaskStates()) == ["orphan-of-ours"]
    settings.cache_clear()
    deadline = time.monotonic() + 20
    while status(running, "orphan-of-ours") != "Stopped":
        assert time.monotonic() < deadline
        time.sleep(0.1)
    for name in ("waited-for", "unknown-run", "of-another-deployment", "of-nobody"):
        assert status(running, name) == "InProgress"


def scripts(text: str) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        member = tarfile.TarInfo("train.py")
        member.size = len(text)
        tar.addfile(member, io.BytesIO(text.encode()))
    return archive.getvalue()


def test_a_tuners_training_jobs_which_bear_its_tags_are_its_own(embedded_sagemaker: Any) -> None:
    sagemaker, s3 = embedded_sagemaker.client("sagemaker"), embedded_sagemaker.client("s3")
    s3.create_bucket(Bucket="tuned")
    s3.put_object(Bucket="tuned", Key="code.tar.gz", Body=scripts("import time; time.sleep(60)"))
    owner = {"deployment": "tuned", "dag_id": "d", "run_id": "r", "task_id": "t", "map_index": "-1"}
    sagemaker.create_hyper_parameter_tuning_job(
        HyperParameterTuningJobName="waited-for-tuner",
        HyperParameterTuningJobConfig={
            "Strategy": "Random",
            "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"},
            "ResourceLimits": {"MaxNumberOfTrainingJobs": 2, "MaxParallelTrainingJobs": 2},
            "ParameterRanges": {
                "ContinuousParameterRanges": [{"Name": "x", "MinValue": "0", "MaxValue": "1"}]
            },
        },
        TrainingJobDefinition={
            "StaticHyperParameters": {
                "sagemaker_program": "train.py",
                "sagemaker_submit_directory": "s3://tuned/code.tar.gz",
            },
            "AlgorithmSpecification": {
                "TrainingImage": IMAGE,
                "TrainingInputMode": "File",
                "MetricDefinitions": [{"Name": "loss", "Regex": "loss=(.*)"}],
            },
            "RoleArn": "arn:aws:iam::123456789012:role/retraining",
            "OutputDataConfig": {"S3OutputPath": "s3://tuned/model"},
            "ResourceConfig": {
                "InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1
            },
            "StoppingCondition": {"MaxRuntimeInSeconds": 120},
        },
        Tags=[{"Key": naming.tag_key(key), "Value": value} for key, value in owner.items()],
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while (
        sum("waited-for-tuner-" in job["TrainingJobName"] for job in TRAINING.running(sagemaker))
        < 2
    ):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert [job.name for job in running_jobs(sagemaker, deployment="tuned")] == ["waited-for-tuner"]
    sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName="waited-for-tuner")
