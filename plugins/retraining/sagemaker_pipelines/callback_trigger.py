"""Waiting for an object on S3 without holding a worker."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from retraining.aws import clients
from retraining.aws import s3 as objects
from retraining.jobs.triggers import OUT_OF_TIME
from retraining.jobs.watch import BACKOFF_RATE, FIRST_DELAY_S, LONGEST_DELAY_S
from retraining.retries import passing_failure

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

log = logging.getLogger(__name__)

ANSWERED = "Answered"


class CallbackAnsweredTrigger(BaseTrigger):
    """Fires when the answer to a Callback step's message lies on S3, or time is up.

    Survives what ``JobEndTrigger`` survives.

    Args:
        uri: Where the answer is written.
        deadline: When to stop waiting; ISO 8601.
        aws_conn_id: The Airflow connection; None for boto3's own chain.
        region_name: The region; None for the connection's or boto3's.
    """

    def __init__(
        self, uri: str, *, deadline: str, aws_conn_id: str | None, region_name: str | None
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._uri = uri
        self._deadline = deadline
        self._aws_conn_id = aws_conn_id
        self._region_name = region_name

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments that make this trigger again."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "uri": self._uri,
                "deadline": self._deadline,
                "aws_conn_id": self._aws_conn_id,
                "region_name": self._region_name,
            },
        )

    async def run(self) -> AsyncGenerator[TriggerEvent]:
        """Yield one event, ``{"uri", "status"}``."""
        left = datetime.fromisoformat(self._deadline) - datetime.now(tz=UTC)
        try:
            async with asyncio.timeout(max(left.total_seconds(), 0)):
                await self._appear()
            status = ANSWERED
        except TimeoutError:
            status = OUT_OF_TIME
        yield TriggerEvent({"uri": self._uri, "status": status})  # type: ignore[no-untyped-call]

    async def _appear(self) -> None:
        client: Any = None
        delay = FIRST_DELAY_S
        while True:
            await asyncio.sleep(delay)
            delay = min(delay * BACKOFF_RATE, LONGEST_DELAY_S)
            try:
                client = client or await asyncio.to_thread(self._client)
                if await asyncio.to_thread(objects.find_modified, client, self._uri) is not None:
                    return
            except Exception as error:
                if passing_failure(error) is None:
                    raise
                log.warning("cannot see %s for now: %s", self._uri, error)
                client = None

    def _client(self) -> Any:
        return clients.client("s3", aws_conn_id=self._aws_conn_id, region_name=self._region_name)
