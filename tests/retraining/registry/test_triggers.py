"""Approvals from outside Airflow: the registry looked at, and an SQS queue of moto's server."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto.server import ThreadedMotoServer
from retraining import naming
from retraining.registry import requests, triggers, versions
from retraining.settings import settings

from tests.retraining.declarations import pipeline

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

GROUP = "watched"
ARN = "arn:aws:sagemaker:us-east-1:123456789012:model-package/watched/3"


def event(**changes: Any) -> str:
    detail = {
        "ModelPackageGroupName": GROUP,
        "ModelPackageVersion": 3,
        "ModelPackageArn": ARN,
        "ModelPackageStatus": "Completed",
        "ModelApprovalStatus": "Approved",
        "UpdatedModelPackageFields": ["ModelApprovalStatus"],
    }
    return json.dumps(
        {
            "version": "0",
            "source": "aws.sagemaker",
            "detail-type": changes.pop("kind", "SageMaker Model Package State Change"),
            "detail": detail | changes,
        }
    )


def test_an_approval_is_read() -> None:
    found = triggers.read_message(event(), GROUP)
    assert found == {"model_package_arn": ARN, "version": 3}


@pytest.mark.parametrize(
    "body",
    [
        event(ModelApprovalStatus="Rejected"),
        event(ModelApprovalStatus="PendingManualApproval"),
        event(UpdatedModelPackageFields=["CustomerMetadataProperties"]),
        event(UpdatedModelPackageFields=[]),
        event(UpdatedModelPackageFields=None),
        event(ModelPackageGroupName="another"),
        event(kind="SageMaker Model State Change"),
        event(ModelPackageVersion="three"),
        "not JSON",
        "[]",
        "{}",
        '{"detail": 1, "detail-type": "SageMaker Model Package State Change"}',
    ],
)
def test_what_is_no_approval_is_not_acted_on(body: str) -> None:
    assert triggers.read_message(body, GROUP) is None


class Store:
    """What Airflow keeps for a watcher, here in memory."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    async def aget(self, key: str, default: Any = None) -> Any:
        return self.values.get(key, default)

    async def aset(self, key: str, value: Any) -> None:
        self.values[key] = value


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    monkeypatch.setenv("RETRAINING_BUCKET", "watch")
    monkeypatch.setenv("RETRAINING_ROLE_ARN", "arn:aws:iam::123456789012:role/retraining")
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", '{"conn_type": "aws"}')
    settings.cache_clear()
    yield monkeypatch
    settings.cache_clear()


def trigger(group: str, store: Store | None = None) -> triggers.ApprovalTrigger:
    made = triggers.ApprovalTrigger(group, poll_s=0.05)
    path, arguments = made.serialize()
    assert path == "retraining.registry.triggers.ApprovalTrigger"
    made = triggers.ApprovalTrigger(**arguments)
    made.asset_state_store = store  # type: ignore[assignment]
    return made


async def next_payload(events: AsyncGenerator[Any], *, seconds: float = 30) -> Any:
    return (await asyncio.wait_for(anext(events), seconds)).payload


@pytest.fixture
def queue(environment: pytest.MonkeyPatch) -> Iterator[tuple[Any, str]]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    environment.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    environment.setenv("AWS_ACCESS_KEY_ID", "test")
    environment.setenv("AWS_SECRET_ACCESS_KEY", "test")
    environment.setenv("AWS_DEFAULT_REGION", "us-east-1")
    sqs = boto3.client("sqs")
    url = sqs.create_queue(QueueName=f"approvals-{GROUP}")["QueueUrl"]
    environment.setenv("RETRAINING_APPROVAL_QUEUE", url.replace(GROUP, "{group}"))
    settings.cache_clear()
    yield sqs, url
    server.stop()


def left(sqs: Any, url: str) -> int:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return sum(int(found[name]) for name in names)


def test_a_message_is_deleted_only_after_its_event(queue: tuple[Any, str]) -> None:
    sqs, url = queue
    for body in ("not JSON", event(ModelApprovalStatus="Rejected"), event()):
        sqs.send_message(QueueUrl=url, MessageBody=body)

    async def watch() -> tuple[Any, int, Any, int]:
        events = trigger(GROUP).run()
        first = await next_payload(events)
        kept = left(sqs, url)
        sqs.send_message(QueueUrl=url, MessageBody=event(ModelPackageVersion=4))
        second = await next_payload(events)
        # Going on is what says that the event was taken.
        now = left(sqs, url)
        await events.aclose()
        return first, kept, second, now

    first, kept, second, now = asyncio.run(watch())
    assert first == {"model_package_arn": ARN, "version": 3}
    assert second["version"] == 4
    assert (kept, now) == (1, 1)


def test_a_queue_that_is_gone_is_waited_for(queue: tuple[Any, str]) -> None:
    sqs, url = queue
    sqs.delete_queue(QueueUrl=url)

    async def watch() -> Any:
        events = trigger(GROUP).run()
        coming = asyncio.create_task(next_payload(events))
        await asyncio.sleep(0.5)
        assert not coming.done()
        sqs.create_queue(QueueName=f"approvals-{GROUP}")
        sqs.send_message(QueueUrl=url, MessageBody=event())
        return await coming

    assert asyncio.run(watch())["version"] == 3


def register(client: Any, group: str, mark: str) -> str:
    request = requests.model_package(
        pipeline=pipeline(group),
        image_uri="123456789012.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4",
        model_uri="s3://watch/model.tar.gz",
        report_uri="s3://watch/evaluation.json",
        approval_status="PendingManualApproval",
        description="a model",
        metadata={versions.FINGERPRINT: mark, versions.SNAPSHOT: "2026-11-20"},
        git_commit=None,
        client_token=naming.client_token(group, mark),
    )
    since = datetime.now(UTC) - timedelta(hours=1)
    return versions.register_once(client, request, since=since).arn


def test_the_registry_is_looked_at_where_there_is_no_queue(
    embedded_sagemaker: Any, environment: pytest.MonkeyPatch
) -> None:
    for name, value in embedded_sagemaker.environment.items():
        environment.setenv(name, value)
    client, group, store = embedded_sagemaker.client("sagemaker"), "looked-at", Store()

    async def watch() -> None:
        events = trigger(group, store).run()
        # There is not even a group yet.
        coming = asyncio.create_task(next_payload(events))
        await asyncio.sleep(0.3)
        versions.ensure_group(client, group, description="x")
        one, two = register(client, group, "a"), register(client, group, "b")
        await asyncio.sleep(0.3)
        assert not coming.done()
        versions.approve(client, two, reason="x")
        assert await coming == {"group": group, "approved": 1}
        # An older version that is approved later is an event, too; a rejection is none.
        versions.approve(client, one, reason="x")
        assert await next_payload(events) == {"group": group, "approved": 2}
        coming = asyncio.create_task(next_payload(events))
        versions.reject(client, two, reason="x")
        await asyncio.sleep(0.5)
        assert not coming.done()
        coming.cancel()
        with pytest.raises(asyncio.CancelledError):
            await coming

        # The triggerer is started again: what it knew is known, what it missed comes.
        events = trigger(group, store).run()
        coming = asyncio.create_task(next_payload(events))
        await asyncio.sleep(0.5)
        assert not coming.done()
        versions.approve(client, two, reason="x")
        assert await coming == {"group": group, "approved": 2}
        await events.aclose()

    asyncio.run(watch())
