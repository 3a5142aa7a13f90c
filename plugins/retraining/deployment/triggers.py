"""Waiting for an endpoint without holding a worker."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from retraining.aws import clients
from retraining.deployment import endpoints
from retraining.jobs.triggers import OUT_OF_TIME
from retraining.jobs.watch import BACKOFF_RATE, FIRST_DELAY_S, LONGEST_DELAY_S
from retraining.retries import passing_failure

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

log = logging.getLogger(__name__)

SETTLED = "Settled"


class EndpointSettledTrigger(BaseTrigger):
    """Fires when the service has finished its work on an endpoint, well or not, or time is up.

    Survives what ``JobEndTrigger`` survives. The end of the waiting task, by whomever, changes
    nothing about the endpoint.

    Args:
        endpoint_name: The endpoint.
        deadline: When to stop waiting; ISO 8601.
        is_asked: For the waiting task, which gets it back with the event.
        aws_conn_id: The Airflow connection; None for boto3's own chain.
        region_name: The region; None for the connection's or boto3's.
    """

    def __init__(
        self,
        endpoint_name: str,
        *,
        deadline: str,
        is_asked: bool,
        aws_conn_id: str | None,
        region_name: str | None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._endpoint_name = endpoint_name
        self._deadline = deadline
        self._is_asked = is_asked
        self._aws_conn_id = aws_conn_id
        self._region_name = region_name

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments that make this trigger again."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "endpoint_name": self._endpoint_name,
                "deadline": self._deadline,
                "is_asked": self._is_asked,
                "aws_conn_id": self._aws_conn_id,
                "region_name": self._region_name,
            },
        )

    async def run(self) -> AsyncGenerator[TriggerEvent]:
        """Yield one event, ``{"endpoint_name", "status", "deadline", "is_asked"}``."""
        left = datetime.fromisoformat(self._deadline) - datetime.now(tz=UTC)
        try:
            async with asyncio.timeout(max(left.total_seconds(), 0)):
                await self._settle()
            status = SETTLED
        except TimeoutError:
            status = OUT_OF_TIME
        yield TriggerEvent(  # type: ignore[no-untyped-call]
            {
                "endpoint_name": self._endpoint_name,
                "status": status,
                "deadline": self._deadline,
                "is_asked": self._is_asked,
            }
        )

    async def _settle(self) -> None:
        client: Any = None
        delay = FIRST_DELAY_S
        while True:
            await asyncio.sleep(delay)
            delay = min(delay * BACKOFF_RATE, LONGEST_DELAY_S)
            try:
                client = client or await asyncio.to_thread(self._client)
                if not await asyncio.to_thread(endpoints.is_changing, client, self._endpoint_name):
                    return
            except Exception as error:
                if passing_failure(error) is None:
                    raise
                log.warning("cannot see %s for now: %s", self._endpoint_name, error)
                client = None

    def _client(self) -> Any:
        return clients.client(
            "sagemaker", aws_conn_id=self._aws_conn_id, region_name=self._region_name
        )
