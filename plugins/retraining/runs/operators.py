"""The first task of a retraining run: what it works on, and where it writes."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException
from airflow.triggers.base import BaseTrigger, TriggerEvent

from retraining import naming
from retraining.aws import clients
from retraining.retries import passing_failure
from retraining.runs import code_archive, images, kinds, snapshots
from retraining.settings import settings

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from airflow.sdk import Context

log = logging.getLogger(__name__)

_DELAY_S = 30.0
_RESOLVED: dict[object, Mapping[str, str]] = {}


class ResolveRunOperator(BaseOperator):
    """Settles what a run works on and where it writes, and uploads its code.

    A run that was scheduled or backfilled works on the snapshot of its own date; one that was
    triggered by hand on the one that its parameter ``snapshot`` names, or else on the newest
    complete one. A day's snapshot that is not complete is waited for, without holding a worker,
    until the day has been over for ``patience`` since it began.

    Args:
        pipeline: The pipeline.
        patience: How long after the begin of its day (UTC) a snapshot may become complete.
        arguments: As of every operator.

    Returns:
        ``snapshot`` and ``snapshot_uri``, ``data_fingerprint``, ``code_uri``, ``code_sha256``,
        ``image_uri``, ``role_arn``, ``run_uri``, and ``reuse``, as the jobs' operators take it.
    """

    def __init__(self, *, pipeline: str, patience: timedelta, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.pipeline = pipeline
        self.patience = patience

    def execute(self, context: Context) -> dict[str, str]:
        """Settle it, or wait until the snapshot is complete.

        Raises:
            AirflowFailException: There is no such snapshot, and its time is over.
        """
        date = self._date(context)
        try:
            return self._settle(context, date)
        except naming.InvalidNameError as error:
            raise AirflowFailException(str(error)) from error
        except snapshots.SnapshotNotFoundError as error:
            # By hand the newest was asked for, and there is none.
            if date is None or (deadline := self._deadline(date)) <= datetime.now(tz=UTC):
                raise AirflowFailException(f"{error}; then clear this task") from error
            self.log.info("%s. Waiting for it until %s", error, deadline)
        self.defer(
            trigger=SnapshotTrigger(
                settings().bucket, self.pipeline, date, deadline=deadline.isoformat()
            ),
            method_name="execute_complete",
        )
        raise AssertionError("to defer is to raise")

    def execute_complete(self, context: Context, event: dict[str, Any]) -> dict[str, str]:
        """Settle it now.

        Raises:
            AirflowFailException: The snapshot has not become complete in time.
        """
        try:
            return self._settle(context, event["date"])
        except snapshots.SnapshotNotFoundError as error:
            raise AirflowFailException(
                f"{error}; then clear this task. It was waited for until"
                f" {self._deadline(event['date'])}"
            ) from error

    def _date(self, context: Context) -> str | None:
        run = context["dag_run"]
        date: str | None = context["params"]["snapshot"] or None
        if date is None and run.logical_date and kinds.has_own_date(run):
            date = run.logical_date.date().isoformat()
        return date

    def _settle(self, context: Context, date: str | None) -> dict[str, str]:
        place, params, run = settings(), context["params"], context["dag_run"]
        s3 = clients.client("s3")
        snapshot = (
            snapshots.newest_snapshot(s3, place.bucket, pipeline=self.pipeline)
            if date is None
            else snapshots.find_snapshot(s3, place.bucket, pipeline=self.pipeline, date=date)
        )
        # The page lists runs by it, also those that come no further.
        context["ti"].xcom_push(naming.SNAPSHOT_XCOM, snapshot.date)
        log.info("snapshot %s: %d files at %s", snapshot.date, len(snapshot.files), snapshot.uri)
        archive = code_archive.read_scripts(place.scripts_folder / self.pipeline.replace("-", "_"))
        code_uri = code_archive.upload(s3, archive, bucket=place.bucket, pipeline=self.pipeline)
        log.info("code %s at %s", archive.sha256[:12], code_uri)
        return {
            "snapshot": snapshot.date,
            "snapshot_uri": snapshot.uri,
            "data_fingerprint": snapshot.fingerprint,
            "code_uri": code_uri,
            "code_sha256": archive.sha256,
            "image_uri": images.image_uri(
                place, region=s3.meta.region_name, instance_type=params["instance_type"]
            ),
            "role_arn": place.role_arn,
            "run_uri": naming.run_uri(place.bucket, self.pipeline, snapshot.date, run.run_id),
            # Whoever clears a later step alone wants it done anew; a whole run that is cleared,
            # as a repeated backfill does, comes by here again.
            "reuse": str(run.clear_number) if kinds.reuses_steps(run, params) else "",
        }

    def _deadline(self, date: str) -> datetime:
        return datetime.combine(datetime.fromisoformat(date), time(), tzinfo=UTC) + self.patience


def resolved(ti: Any) -> Mapping[str, str]:
    """Return what the task ``resolve_run`` of a task's run settled: a macro for templates.

    A task has many templates and asks Airflow once.
    """
    if ti.id not in _RESOLVED:
        _RESOLVED.clear()
        _RESOLVED[ti.id] = ti.xcom_pull("resolve_run")
    return _RESOLVED[ti.id]


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
