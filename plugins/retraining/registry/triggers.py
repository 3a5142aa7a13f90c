"""Approvals that are made outside of Airflow: in SageMaker Studio, by the AWS CLI, by a program.

They come from an SQS queue, which EventBridge fills with ``SageMaker Model Package State Change``
events, where the settings name one; else the registry is looked at now and then. An event that
comes twice, late or in the wrong order does no harm: it only starts a run, which looks up what is
approved.
"""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from retraining import naming
from retraining.aws import clients
from retraining.registry import versions
from retraining.retries import passing_failure
from retraining.settings import settings

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

log = logging.getLogger(__name__)

_DETAIL_TYPE = "SageMaker Model Package State Change"
_LONGEST_DELAY_S = 300.0
# SQS answers at once when there is a message, and else after so long.
_LONG_POLL_S = 10
_WATERMARK = "approved"


class ApprovalTrigger(BaseEventTrigger):
    """Yields an event for each approval of a version in a group. Endless.

    Args:
        group: The model package group.
        poll_s: The seconds between two looks at the registry.
        aws_conn_id: The Airflow connection; None for boto3's own chain.
    """

    def __init__(
        self, group: str, *, poll_s: float = 30.0, aws_conn_id: str | None = "aws_default"
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._group = group
        self._poll_s = poll_s
        self._aws_conn_id = aws_conn_id

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments that make this trigger again."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "group": self._group,
                "poll_s": self._poll_s,
                "aws_conn_id": self._aws_conn_id,
            },
        )

    async def run(self) -> AsyncGenerator[TriggerEvent]:
        """Yield ``{"model_package_arn": …}``, or with what the queue says."""
        delay = self._poll_s
        while True:
            queue = settings().approval_queue
            events = (
                self._received(queue.replace("{group}", self._group)) if queue else self._seen()
            )
            try:
                async for event in events:
                    delay = self._poll_s
                    yield event
            except Exception as error:
                # A watcher that ends is not started again before the triggerer is.
                if passing_failure(error) is None:
                    log.exception("cannot see approvals of %s", self._group)
                else:
                    log.warning("cannot see approvals of %s for now: %s", self._group, error)
                await asyncio.sleep(delay)
                delay = min(delay * 2, _LONGEST_DELAY_S)

    async def _seen(self) -> AsyncGenerator[TriggerEvent]:
        client = await asyncio.to_thread(self._client, "sagemaker")
        store = self.asset_state_store
        mark = await store.aget(_WATERMARK) if store else None
        known: frozenset[str] = frozenset()
        while True:
            arns = await asyncio.to_thread(lambda: [*versions.approved_arns(client, self._group)])
            found = naming.fingerprint(sorted(arns))
            if found != mark:
                # Fewer than before is a rejection; after a start that cannot be told.
                if set(arns) - known:
                    yield TriggerEvent(  # type: ignore[no-untyped-call]
                        {"group": self._group, "approved": len(arns)}
                    )
                # Only now, so that a death in between repeats the event and does not lose it.
                if store:
                    await store.aset(_WATERMARK, found)
                mark = found
            known = frozenset(arns)
            await asyncio.sleep(self._poll_s)

    async def _received(self, queue: str) -> AsyncGenerator[TriggerEvent]:
        client = await asyncio.to_thread(self._client, "sqs")
        while True:
            answer = await asyncio.to_thread(
                client.receive_message,
                QueueUrl=queue,
                MaxNumberOfMessages=10,
                WaitTimeSeconds=_LONG_POLL_S,
            )
            for message in answer.get("Messages", []):
                approval = read_message(message["Body"], self._group)
                if approval:
                    yield TriggerEvent(approval)  # type: ignore[no-untyped-call]
                await asyncio.to_thread(
                    client.delete_message,
                    QueueUrl=queue,
                    ReceiptHandle=message["ReceiptHandle"],
                )

    def _client(self, service: str) -> Any:
        return clients.client(service, aws_conn_id=self._aws_conn_id)


def read_message(body: str, group: str) -> Mapping[str, Any] | None:
    """Return the approval that a queue's message is about, None if it is about something else.

    The service sends an event for every change of a version. Only one that says that the approval
    changed is an approval; one about an approved version whose metadata changed is not.

    Args:
        body: The event as EventBridge sends it.
        group: The model package group; versions of others are not looked at.
    """
    try:
        event = json.loads(body)
        detail = event["detail"]
        if event["detail-type"] != _DETAIL_TYPE or detail.get("ModelPackageGroupName") != group:
            return None
        changed = detail.get("UpdatedModelPackageFields") or []
        if "ModelApprovalStatus" not in changed or detail["ModelApprovalStatus"] != "Approved":
            return None
        return {
            "model_package_arn": str(detail["ModelPackageArn"]),
            "version": int(detail["ModelPackageVersion"]),
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        log.warning("not an event of SageMaker's registry (%r): %.500s", error, body)
        return None
