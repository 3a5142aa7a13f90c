"""Waiting for a SageMaker job without holding a worker."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from airflow.providers.amazon.aws.hooks.sagemaker import SageMakerHook
from airflow.triggers.base import BaseTrigger, TriggerEvent
from botocore.exceptions import BotoCoreError, ClientError

from retraining.jobs import ENDED, JobType

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

log = logging.getLogger(__name__)

_FIRST_DELAY_S = 1.0
_LONGEST_DELAY_S = 30.0


class JobEndTrigger(BaseTrigger):
    """Fires when a processing or training job has ended, in whatever way.

    It polls after one second, then ever less often, down to once in 30 seconds. Throttling, errors
    of the service and broken connections only postpone the next look. A user's clear, mark-failed
    or mark-success of the waiting task stops the job; the end of the triggerer does not.

    Args:
        kind: ``Processing`` or ``Training``.
        job_name: The job.
        aws_conn_id: The Airflow connection; None for boto3's own chain.
        region_name: The region; None for the connection's or boto3's.
    """

    def __init__(
        self, kind: str, job_name: str, *, aws_conn_id: str | None, region_name: str | None
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._job_type = JobType(kind)
        self._job_name = job_name
        self._aws_conn_id = aws_conn_id
        self._region_name = region_name

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments that make this trigger again."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "kind": self._job_type.kind,
                "job_name": self._job_name,
                "aws_conn_id": self._aws_conn_id,
                "region_name": self._region_name,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield one event, ``{"job_name", "status"}``, when the job has ended."""
        delay = _FIRST_DELAY_S
        while True:
            try:
                described = await asyncio.to_thread(self._describe)
            except (ClientError, BotoCoreError) as error:
                if not _passes(error):
                    raise
                log.warning("cannot see %s for now: %s", self._job_name, error)
            else:
                status = "Missing" if described is None else self._job_type.status(described)
                if status in {*ENDED, "Missing"}:
                    yield TriggerEvent(  # type: ignore[no-untyped-call]
                        {"job_name": self._job_name, "status": status}
                    )
                    return
            await asyncio.sleep(delay)
            delay = min(delay * 1.5, _LONGEST_DELAY_S)

    async def on_kill(self) -> None:
        """Stop the job, as a person has ended the task that waited for it."""
        log.info("stopping %s: its task was ended by a user", self._job_name)
        await asyncio.to_thread(lambda: self._job_type.stop(self._client(), self._job_name))

    def _describe(self) -> Any:
        return self._job_type.describe(self._client(), self._job_name)

    def _client(self) -> Any:
        return SageMakerHook(  # type: ignore[no-untyped-call]
            aws_conn_id=self._aws_conn_id, region_name=self._region_name
        ).conn


def _passes(error: ClientError | BotoCoreError) -> bool:
    """Say whether an error is likely to be over at the next look."""
    if not isinstance(error, ClientError):
        return True
    code = error.response.get("Error", {}).get("Code", "")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return "Throttl" in code or "TooManyRequests" in code or status >= 500
