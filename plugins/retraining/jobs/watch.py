"""One look at SageMaker for all the tasks that wait in a triggerer.

Every trigger of a process that waits for jobs of one type shares a watch. A look is one List call
for the jobs that changed since the look before, so its cost does not grow with the number of jobs
that run. Source of the members: the ListProcessingJobs and ListTrainingJobs API.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from retraining.aws import clients
from retraining.jobs.kinds import ENDED, JobType
from retraining.retries import passing_failure

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

FIRST_DELAY_S = 1.0
LONGEST_DELAY_S = 30.0
BACKOFF_RATE = 1.5
# So late may a job's change show up in a list.
_OVERLAP = timedelta(minutes=1)
MISSING = "Missing"


@dataclass(frozen=True, slots=True)
class Place:
    """Which jobs a watch looks at, and where.

    Attributes:
        kind: ``Processing`` or ``Training``.
        aws_conn_id: The Airflow connection; None for boto3's own chain.
        region_name: The region; None for the connection's or boto3's.
    """

    kind: str
    aws_conn_id: str | None
    region_name: str | None

    def client(self) -> Any:
        """Make a client. Slow, and not to be called on an event loop."""
        return clients.client(
            "sagemaker", aws_conn_id=self.aws_conn_id, region_name=self.region_name
        )


@dataclass(slots=True, eq=False)
class _Waiter:
    job_name: str
    created: datetime
    news: asyncio.Queue[str | Exception] = field(default_factory=asyncio.Queue)
    is_seen: bool = False


async def watch_job(
    place: Place, job_name: str, *, created: datetime
) -> AsyncGenerator[str | Exception]:
    """Yield what is heard of a job, until its end.

    Args:
        place: Where the job is.
        job_name: The job.
        created: It was created no earlier.

    Yields:
        An error for each look that failed and will be tried again, and at last the status that
        the job ended with, or ``MISSING``.

    Raises:
        Exception: A look failed with an error that does not pass by itself.
    """
    watches = _watches.setdefault(asyncio.get_running_loop(), {})
    watch = watches.setdefault(place, _Watch(place))
    waiter = _Waiter(job_name, created)
    watch.join(waiter)
    try:
        while True:
            news = await waiter.news.get()
            if isinstance(news, Exception) and passing_failure(news) is None:
                raise news
            yield news
            if isinstance(news, str):
                return
    finally:
        if watch.leave(waiter):
            del watches[place]


class _Watch:
    """Looks while anybody waits, ever less often until somebody joins."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._job_type = JobType(place.kind)
        self._waiters: set[_Waiter] = set()
        self._joined = asyncio.Event()
        self._looking: asyncio.Task[None] | None = None
        self._client: Any = None
        self._looked: datetime | None = None

    def join(self, waiter: _Waiter) -> None:
        self._waiters.add(waiter)
        self._joined.set()
        if self._looking is None:
            self._looking = asyncio.create_task(self._look_while_waited_for())

    def leave(self, waiter: _Waiter) -> bool:
        """Return whether nobody is left, which ends the watch."""
        self._waiters.discard(waiter)
        if not self._waiters and self._looking is not None:
            self._looking.cancel()
        return not self._waiters

    async def _look_while_waited_for(self) -> None:
        delay = FIRST_DELAY_S
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._joined.wait(), delay)
                self._joined.clear()
                delay = FIRST_DELAY_S
                await asyncio.sleep(delay)
            waiters = tuple(self._waiters)
            try:
                statuses = await asyncio.to_thread(self._look, waiters)
            except Exception as error:
                # Each trigger tells its own task's log, and decides whether to go on.
                self._client = None
                for waiter in waiters:
                    waiter.news.put_nowait(error)
            else:
                for waiter in waiters:
                    waiter.is_seen = True
                    status = statuses.get(waiter.job_name)
                    if status in {*ENDED, MISSING}:
                        waiter.news.put_nowait(status)
            delay = min(delay * BACKOFF_RATE, LONGEST_DELAY_S)

    def _look(self, waiters: tuple[_Waiter, ...]) -> Mapping[str, str]:
        if self._client is None:
            self._client = self._place.client()
        unseen = {waiter.job_name: waiter.created for waiter in waiters if not waiter.is_seen}
        names = {waiter.job_name for waiter in waiters}
        since = min([*unseen.values(), *([self._looked] if self._looked else [])])
        # Character by character is what NameContains wants.
        prefix = os.path.commonprefix(list(names))  # noqa: RUF071
        looked, changed = self._job_type.changed_since(
            self._client, since - _OVERLAP, name_contains=prefix
        )
        statuses = {name: status for name, status in changed.items() if name in names}
        for name in unseen.keys() - statuses.keys():
            described = self._job_type.describe(self._client, name)
            statuses[name] = MISSING if described is None else self._job_type.status(described)
        self._looked = looked
        return statuses


_watches: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Place, _Watch]] = WeakKeyDictionary()
