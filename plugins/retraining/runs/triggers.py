"""Waiting for a snapshot without holding a worker."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from retraining.aws import clients
from retraining.retries import passing_failure
from retraining.runs import snapshots

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

log = logging.getLogger(__name__)

_DELAY_S = 30.0


class SnapshotTrigger(BaseTrigger):
    """Fires when a snapshot is complete, or when its time is over.

    Args:
        bucket: The bucket.
        pipeline: The pipeline.
        date: The snapshot, YYYY-MM-DD.
        deadline: When to give up; ISO 8601.
    """

    def __init__(self, bucket: str, pipeline: str, date: str, *, deadline: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._bucket = bucket
        self._pipeline = pipeline
        self._date = date
        self._deadline = deadline

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments that make this trigger again."""
        return f"{type(self).__module__}.{type(self).__qualname__}", {
            "bucket": self._bucket,
            "pipeline": self._pipeline,
            "date": self._date,
            "deadline": self._deadline,
        }

    async def run(self) -> AsyncGenerator[TriggerEvent]:
        """Yield one event, ``{"date"}``."""
        deadline = datetime.fromisoformat(self._deadline)
        while not await asyncio.to_thread(self._is_complete):
            left = (deadline - datetime.now(tz=UTC)).total_seconds()
            if left <= 0:
                break
            await asyncio.sleep(min(_DELAY_S, left))
        yield TriggerEvent({"date": self._date})  # type: ignore[no-untyped-call]

    def _is_complete(self) -> bool:
        try:
            snapshots.find_snapshot(
                clients.client("s3"), self._bucket, pipeline=self._pipeline, date=self._date
            )
        except snapshots.SnapshotNotFoundError:
            return False
        except Exception as error:
            if passing_failure(error) is None:
                raise
            log.warning("cannot look for snapshot %s for now: %s", self._date, error)
            return False
        return True
