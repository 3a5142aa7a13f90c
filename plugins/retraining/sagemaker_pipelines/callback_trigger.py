"""Waiting for an object on S3 without holding a worker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from retraining.aws import clients
from retraining.aws import s3 as objects
from retraining.jobs.triggers import OUT_OF_TIME, came_true

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

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
        is_answered = await came_true(
            lambda client: objects.find_modified(client, self._uri) is not None,
            connect=self._client,
            deadline=self._deadline,
            what=self._uri,
        )
        status = ANSWERED if is_answered else OUT_OF_TIME
        yield TriggerEvent({"uri": self._uri, "status": status})  # type: ignore[no-untyped-call]

    def _client(self) -> Any:
        return clients.client("s3", aws_conn_id=self._aws_conn_id, region_name=self._region_name)
