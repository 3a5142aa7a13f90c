"""A tuner's turns where a training job ends sooner than it can be looked at."""

from __future__ import annotations

from types import SimpleNamespace

from local_sagemaker.store import Store
from local_sagemaker.tuning import running
from local_sagemaker.tuning.ranges import read_ranges
from local_sagemaker.tuning.running import TuningPlan
from local_sagemaker.tuning.search import Search
from local_sagemaker.tuning.tuning_job import TUNING

ARN = "arn:aws:sagemaker:us-east-1:123456789012:hyper-parameter-tuning-job/tuner"
RANGES = {"CategoricalParameterRanges": [{"Name": "x", "Values": ["1"]}]}


def test_a_training_job_that_fails_at_once_is_seen_before_the_tuner_ends(tmp_path, monkeypatch):
    store = Store(tmp_path / "state.sqlite")
    job = {
        "HyperParameterTuningJobName": "tuner",
        "HyperParameterTuningJobArn": ARN,
        "HyperParameterTuningJobConfig": {
            "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"},
            "ParameterRanges": RANGES,
        },
        "TrainingJobDefinition": {},
        "CreationTime": 1.0,
    }
    store.put("us-east-1", TUNING.resource, name="tuner", document=job)

    def create_job(_emulator, request, *, kind, more):
        """As the real one leaves a job without data by the time that it returns."""
        members = {**request.members, **more, "CreationTime": 2.0, "TrainingJobStatus": "Failed"}
        store.put("us-east-1", kind.resource, name=members["TrainingJobName"], document=members)

    monkeypatch.setattr(running, "create_job", create_job)
    plan = TuningPlan(
        kind=TUNING,
        region="us-east-1",
        name="tuner",
        arn=ARN,
        emulator=SimpleNamespace(store=store),
        job=job,
        search=Search("Grid", read_ranges(RANGES), maximize=False, seed="1"),
        most=1,
        parallel=1,
        target=None,
    )
    tuner = running._Tuner(plan)
    assert not tuner.turn(stop=False)
    assert tuner.turn(stop=False)
    assert tuner.failure.startswith("No training job succeeded after 1 attempts.")
    held = store.get("us-east-1", TUNING.resource, name="tuner")
    assert held["TrainingJobStatusCounters"]["NonRetryableError"] == 1
    store.close()
