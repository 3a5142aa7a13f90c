"""Waiting for a SageMaker job or endpoint without holding a worker."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent
from botocore.exceptions import ClientError

from retraining.jobs.kinds import JobType
from retraining.jobs.watch import (
    BACKOFF_RATE,
    FIRST_DELAY_S,
    LONGEST_DELAY_S,
    Place,
    watch_job,
)
from retraining.retries import passing_failure

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

log = logging.getLogger(__name__)

OUT_OF_TIME = "OutOfTime"


async def came_true(
    is_so: Callable[[Any], bool], *, connect: Callable[[], Any], deadline: str, what: str
) -> bool:
    """Look again and again, ever more seldom, until something is so; say whether it came in time.

    What passes, such as throttling, only postpones the next look, with a new client.

    Args:
        is_so: Looks, with a client; it may block.
        connect: Makes the client; it may block.
        deadline: When to stop waiting; ISO 8601.
        what: What is looked at, for the log.
    """
    left = datetime.fromisoformat(deadline) - datetime.now(tz=UTC)
    client: Any = None
    delay = FIRST_DELAY_S
    try:
        async with asyncio.timeout(max(left.total_seconds(), 0)):
            while True:
                await asyncio.sleep(delay)
                delay = min(delay * BACKOFF_RATE, LONGEST_DELAY_S)
                try:
                    client = client or await asyncio.to_thread(connect)
                    if await asyncio.to_thread(is_so, client):
                        return True
                except Exception as error:
                    if passing_failure(error) is None:
                        raise
                    log.warning("cannot see %s for now: %s", what, error)
                    client = None
    except TimeoutError:
        return False


class JobEndTrigger(BaseTrigger):
    """Fires when a processing or training job has ended, in whatever way, or time is up.

    Throttling, errors of the service and broken connections only postpone the next look, and so
    does a restart of the triggerer. A user's clear, mark-failed or mark-success of the waiting
    task stops the job; the end of the triggerer does not.

    Args:
        kind: ``Processing`` or ``Training``.
        job_name: The job.
        created: When it was created, or earlier; ISO 8601.
        deadline: When to stop waiting; ISO 8601.
        step_key: What the waiting task wants back in the event. It does not go by the arguments of
            ``defer``, as ``dag.test()`` drops them.
        aws_conn_id: The Airflow connection; None for boto3's own chain.
        region_name: The region; None for the connection's or boto3's.
    """

    def __init__(
        self,
        kind: str,
        job_name: str,
        *,
        created: str,
        deadline: str,
        step_key: str | None,
        aws_conn_id: str | None,
        region_name: str | None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._place = Place(kind, aws_conn_id, region_name)
        self._job_name = job_name
        self._created = created
        self._deadline = deadline
        self._step_key = step_key

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments that make this trigger again."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "kind": self._place.kind,
                "job_name": self._job_name,
                "created": self._created,
                "deadline": self._deadline,
                "step_key": self._step_key,
                "aws_conn_id": self._place.aws_conn_id,
                "region_name": self._place.region_name,
            },
        )

    async def run(self) -> AsyncGenerator[TriggerEvent]:
        """Yield one event, ``{"job_name", "status", "step_key"}``."""
        left = datetime.fromisoformat(self._deadline) - datetime.now(tz=UTC)
        try:
            async with asyncio.timeout(max(left.total_seconds(), 0)):
                status = await self._end()
        except TimeoutError:
            status = OUT_OF_TIME
        yield TriggerEvent(  # type: ignore[no-untyped-call]
            {"job_name": self._job_name, "status": status, "step_key": self._step_key}
        )

    async def on_kill(self) -> None:
        """Stop the job, as a person has ended the task that waited for it."""
        log.info("stopping %s: its task was ended by a user", self._job_name)
        try:
            await asyncio.to_thread(self._stop)
        except ClientError as error:
            # It may have ended at this very moment.
            log.warning("%s was not stopped: %s", self._job_name, error)

    async def _end(self) -> str:
        created = datetime.fromisoformat(self._created)
        async with aclosing(watch_job(self._place, self._job_name, created=created)) as heard:
            async for news in heard:
                if isinstance(news, str):
                    return news
                log.warning("cannot see %s for now: %s", self._job_name, news)
        raise AssertionError("a watch ends with a status")

    def _stop(self) -> None:
        JobType(self._place.kind).stop(self._place.client(), self._job_name)
