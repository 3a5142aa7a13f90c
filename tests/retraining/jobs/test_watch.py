"""How triggers of one process share their looks at SageMaker."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Any

import botocore.client
import pytest
from botocore.exceptions import ClientError
from retraining.jobs import watch
from retraining.jobs.watch import MISSING, Place, watch_job

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-py312-cpu-py3"


@pytest.fixture
def place(embedded_sagemaker: Any, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: Any) -> Place:
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path_factory.getbasetemp() / "airflow"))
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", '{"conn_type": "aws"}')
    for name, value in embedded_sagemaker.environment.items():
        monkeypatch.setenv(name, value)
    return Place("Processing", "aws_default", None)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Counts the calls that go out; they do go out."""
    counted: Counter[str] = Counter()
    real = botocore.client.BaseClient._make_api_call  # type: ignore[attr-defined]

    def count(client: Any, operation: str, parameters: Any) -> Any:
        counted[operation] += 1
        return real(client, operation, parameters)

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", count)
    return counted


def create(embedded_sagemaker: Any, name: str, *, seconds: float) -> None:
    embedded_sagemaker.client("sagemaker").create_processing_job(
        ProcessingJobName=name,
        RoleArn="arn:aws:iam::123456789012:role/retraining",
        AppSpecification={"ImageUri": IMAGE, "ContainerEntrypoint": ["sleep", str(seconds)]},
        ProcessingResources={
            "ClusterConfig": {
                "InstanceCount": 1,
                "InstanceType": "ml.m5.large",
                "VolumeSizeInGB": 1,
            }
        },
    )


async def end(place: Place, name: str, **changes: Any) -> list[str | Exception]:
    created = changes.get("created", datetime.now(tz=UTC) - timedelta(minutes=1))
    async with aclosing(watch_job(place, name, created=created)) as heard:
        return [news async for news in heard]


def test_many_jobs_are_seen_with_one_list_call_a_look(
    place: Place, embedded_sagemaker: Any, calls: Counter[str]
) -> None:
    names = [f"shared-{number}" for number in range(8)]
    for name in names:
        create(embedded_sagemaker, name, seconds=3)
    calls.clear()
    begin = time.monotonic()

    async def ends() -> list[list[str | Exception]]:
        return await asyncio.gather(*(end(place, name) for name in names))

    assert asyncio.run(ends()) == [["Completed"]] * 8
    assert set(calls) == {"ListProcessingJobs"}
    # At most one a second, and one watch for all.
    assert 1 <= calls["ListProcessingJobs"] <= time.monotonic() - begin


def test_one_who_joins_late_is_served_by_the_same_watch(
    place: Place, embedded_sagemaker: Any
) -> None:
    create(embedded_sagemaker, "early-bird", seconds=4)
    create(embedded_sagemaker, "late-riser", seconds=0)

    async def ends() -> list[list[str | Exception]]:
        first = asyncio.create_task(end(place, "early-bird"))
        await asyncio.sleep(1.5)
        return [await end(place, "late-riser"), await first]

    assert asyncio.run(ends()) == [["Completed"], ["Completed"]]


def test_a_job_that_ended_long_ago_is_found(place: Place, embedded_sagemaker: Any) -> None:
    """As after a triggerer that was away: the job changed before the first look."""
    create(embedded_sagemaker, "long-ago", seconds=0)
    sagemaker = embedded_sagemaker.client("sagemaker")
    while sagemaker.describe_processing_job(ProcessingJobName="long-ago")[
        "ProcessingJobStatus"
    ] in {"InProgress"}:
        time.sleep(0.1)
    assert asyncio.run(end(place, "long-ago")) == ["Completed"]


def test_a_job_that_no_list_shows_is_described(place: Place) -> None:
    assert asyncio.run(end(place, "no-such-job")) == [MISSING]


def test_an_error_that_passes_is_told_and_survived(
    place: Place, embedded_sagemaker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(embedded_sagemaker, "throttled", seconds=0)
    refuse(monkeypatch, "ThrottlingException", times=2)
    *errors, status = asyncio.run(end(place, "throttled"))
    assert [type(error) for error in errors] == [ClientError] * 2
    assert status == "Completed"


def test_an_error_that_stays_is_raised(
    place: Place, embedded_sagemaker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(embedded_sagemaker, "forbidden", seconds=0)
    refuse(monkeypatch, "AccessDeniedException", times=99)
    with pytest.raises(ClientError, match="AccessDenied"):
        asyncio.run(end(place, "forbidden"))


def test_a_watch_ends_with_its_last_waiter(place: Place, embedded_sagemaker: Any) -> None:
    create(embedded_sagemaker, "given-up", seconds=30)

    async def give_up() -> int:
        waiting = asyncio.create_task(end(place, "given-up"))
        await asyncio.sleep(1.2)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        return len(watch._watches[asyncio.get_running_loop()])

    assert asyncio.run(give_up()) == 0
    embedded_sagemaker.client("sagemaker").stop_processing_job(ProcessingJobName="given-up")


def refuse(monkeypatch: pytest.MonkeyPatch, code: str, *, times: int) -> None:
    """Answer the next List calls of the watch with an error of the service."""
    real = botocore.client.BaseClient._make_api_call  # type: ignore[attr-defined]
    left = [times]

    def answer(client: Any, operation: str, parameters: Any) -> Any:
        if operation == "ListProcessingJobs" and left[0]:
            left[0] -= 1
            raise ClientError({"Error": {"Code": code, "Message": "no"}}, operation)
        return real(client, operation, parameters)

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", answer)
