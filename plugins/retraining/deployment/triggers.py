"""Waiting for an endpoint without holding a worker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from retraining.aws import clients
from retraining.deployment import endpoints
from retraining.jobs.triggers import OUT_OF_TIME, came_true

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

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
        is_settled = await came_true(
            lambda client: not endpoints.is_changing(client, self._endpoint_name),
            connect=self._client,
            deadline=self._deadline,
            what=self._endpoint_name,
        )
        yield TriggerEvent(  # type: ignore[no-untyped-call]
            {
                "endpoint_name": self._endpoint_name,
                "status": SETTLED if is_settled else OUT_OF_TIME,
                "deadline": self._deadline,
                "is_asked": self._is_asked,
            }
        )

    def _client(self) -> Any:
        return clients.client(
            "sagemaker", aws_conn_id=self._aws_conn_id, region_name=self._region_name
        )
