from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from retraining.web import prices
from retraining.web.job_seconds import job_of, named

START = datetime(2026, 11, 20, tzinfo=UTC)


def test_prices_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(prices.VARIABLE, raising=False)
    assert prices.prices() == {}
    monkeypatch.setenv(prices.VARIABLE, "ml.m5.large=0.115, ml.m5.xlarge = 0.23,")
    assert prices.prices() == {"ml.m5.large": 0.115, "ml.m5.xlarge": 0.23}


@pytest.mark.parametrize("text", ["ml.m5.large", "ml.m5.large=", "m5.large=1", "ml.m5.large=-1"])
def test_prices_that_are_none_say_what_they_should_be(text: str) -> None:
    with pytest.raises(prices.PricesError, match=prices.VARIABLE):
        prices.read(text)


def test_a_job_costs_its_seconds_on_all_its_instances() -> None:
    job = job_of(
        {
            "ProcessingJobName": "one",
            "ProcessingJobStatus": "Completed",
            "ProcessingStartTime": START,
            "ProcessingEndTime": START + timedelta(seconds=90),
            "ProcessingResources": {
                "ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 2}
            },
        },
        "Processing",
    )
    assert job.seconds == 90
    assert job.cost({"ml.m5.large": 3.6}) == pytest.approx(0.18)
    assert job.cost({"ml.m5.xlarge": 3.6}) is None


def test_a_training_job_costs_what_is_billed() -> None:
    job = job_of(
        {
            "TrainingJobName": "one",
            "TrainingJobStatus": "Completed",
            "TrainingStartTime": START,
            "TrainingEndTime": START + timedelta(seconds=90),
            "BillableTimeInSeconds": 30,
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
        },
        "Training",
    )
    assert job.cost({"ml.m5.large": 3.6}) == pytest.approx(0.03)


def test_a_job_that_runs_has_no_cost_yet() -> None:
    job = job_of({"TrainingJobName": "one", "TrainingJobStatus": "InProgress"}, "Training")
    assert (job.seconds, job.cost({"ml.m5.large": 1.0})) == (None, None)


@pytest.mark.parametrize(
    ("arn", "found"),
    [
        ("arn:aws:sagemaker:us-east-1:123456789012:processing-job/a-1", ("Processing", "a-1")),
        ("arn:aws-cn:sagemaker:cn-north-1:123456789012:training-job/b", ("Training", "b")),
        ("arn:aws:sagemaker:us-east-1:123456789012:model-package/x/1", None),
        ("arn:aws:sagemaker:us-east-1:123456789012:training-job/../x", None),
        ("", None),
    ],
)
def test_only_a_jobs_arn_names_a_job(arn: str, found: tuple[str, str] | None) -> None:
    assert named(arn) == found
