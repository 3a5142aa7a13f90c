"""The first task of a retraining run: what it works on, and where it writes."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException

from retraining import naming
from retraining.aws import clients
from retraining.gate.report import UndecidableError
from retraining.runs import code_archive, images, kinds, pretrained, snapshots
from retraining.runs.results import template as result_template
from retraining.runs.triggers import SnapshotTrigger
from retraining.settings import SettingsError, settings

if TYPE_CHECKING:
    from airflow.sdk import Context

    from retraining.pipeline import Pipeline

log = logging.getLogger(__name__)

# What the task settles: the data, the scripts, the images of the jobs and of what serves the model,
# the role, where the run writes, whether it takes results of earlier runs (see the operators of
# jobs), and the pretrained model, if the DAG has a parameter for one.
RESULT = (
    "snapshot", "snapshot_uri", "data_fingerprint", "code_uri", "code_sha256", "image_uri",
    "training_image_uri", "inference_image_uri", "role_arn", "run_uri", "reuse",
    "pretrained_uri",
)  # fmt: skip

# What another attempt would only meet again.
_OF_THE_DEPLOYMENT = (
    naming.InvalidNameError,
    code_archive.ScriptsNotFoundError,
    pretrained.PretrainedNotFoundError,
    SettingsError,
)
# The one bears on how a run works, the other is told as the run's parameter.
_UNTOLD = ("reuse", "pretrained_uri")


class ResolveRunOperator(BaseOperator):
    """Settles what a run works on and where it writes, and uploads its code.

    A run that was scheduled or backfilled works on the snapshot of its own date; one that was
    triggered by hand on the one that its parameter ``snapshot`` names, or else on the newest
    complete one. A day's snapshot that is not complete is waited for, without holding a worker,
    until the day has been over for ``patience`` since it began.

    Args:
        pipeline: The pipeline.
        patience: How long after the begin of its day (UTC) a snapshot may become complete.
        arguments: Those that every operator takes.

    Returns:
        The members of ``RESULT``.
    """

    def __init__(self, *, pipeline: Pipeline, patience: timedelta, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.pipeline = pipeline
        self.patience = patience

    def template(self, member: str) -> str:
        """Return the template of one member of what the task returns.

        Raises:
            ValueError: It returns no such member.
        """
        if member not in RESULT:
            raise ValueError(f"{self.task_id} settles no {member!r} but {', '.join(RESULT)}")
        return result_template(self.task_id, member)

    @property
    def snapshot_uri(self) -> str:
        """The template of the snapshot's folder."""
        return self.template("snapshot_uri")

    @property
    def pretrained_uri(self) -> str:
        """The template of the folder of the model that the parameter ``pretrained`` names."""
        return self.template("pretrained_uri")

    def output_uri(self, name: str) -> str:
        """Return the template of the folder of one of the run's outputs."""
        return naming.output_uri(self.template("run_uri"), name)

    @property
    def settled(self) -> dict[str, str]:
        """Templates of what identifies the run."""
        return {name: self.template(name) for name in RESULT if name not in _UNTOLD}

    def execute(self, context: Context) -> dict[str, str]:
        """Settle it, or wait until the snapshot is complete.

        Raises:
            AirflowFailException: There is no such snapshot, and its time is over; there are no
                scripts, or a setting is wrong; or the gate cannot judge any report by a parameter
                of the run, or the run lacks it.
        """
        try:
            self.pipeline.for_run(context["params"])
        except (UndecidableError, ValueError) as error:
            raise AirflowFailException(
                f"{error}. Trigger the DAG anew, with a value that fits"
            ) from error
        date = self._date(context)
        try:
            return self._settle(context, date)
        except _OF_THE_DEPLOYMENT as error:
            raise AirflowFailException(str(error)) from error
        except snapshots.SnapshotNotFoundError as error:
            # By hand the newest was asked for, and there is none.
            if date is None or (deadline := self._deadline(date)) <= datetime.now(tz=UTC):
                raise AirflowFailException(f"{error}; then clear this task") from error
            self.log.info("%s. Waiting for it until %s", error, deadline)
        self.defer(
            trigger=SnapshotTrigger(
                settings().bucket, self.pipeline.name, date, deadline=deadline.isoformat()
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
        except _OF_THE_DEPLOYMENT as error:
            raise AirflowFailException(str(error)) from error
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
        name = self.pipeline.name
        s3 = clients.client("s3")
        snapshot = (
            snapshots.newest_snapshot(s3, place.bucket, pipeline=name)
            if date is None
            else snapshots.find_snapshot(s3, place.bucket, pipeline=name, date=date)
        )
        # The page lists runs by it, also those that come no further.
        context["ti"].xcom_push(naming.SNAPSHOT_XCOM, snapshot.date)
        log.info("snapshot %s: %d files at %s", snapshot.date, len(snapshot.files), snapshot.uri)
        folder = place.scripts_folder or code_archive.scripts_folder(self.dag.fileloc)
        archive = code_archive.read_scripts(folder / self.pipeline.folder)
        code_uri = code_archive.upload(s3, archive, bucket=place.bucket, pipeline=name)
        log.info("code %s at %s", archive.sha256[:12], code_uri)
        return {
            "snapshot": snapshot.date,
            "snapshot_uri": snapshot.uri,
            "data_fingerprint": snapshot.fingerprint,
            "code_uri": code_uri,
            "code_sha256": archive.sha256,
            **images.image_uris(
                self.pipeline,
                place,
                region=s3.meta.region_name,
                instance_type=params["instance_type"],
            ),
            "role_arn": place.role_arn,
            "run_uri": naming.run_uri(place.bucket, name, snapshot.date, run.run_id),
            # Whoever clears a later step alone wants it done anew; a whole run that is cleared,
            # as a repeated backfill does, comes by here again.
            "reuse": str(run.clear_number) if kinds.reuses_steps(run, params) else "",
            "pretrained_uri": pretrained.find(
                s3, place.bucket, pipeline=name, model=params["pretrained"]
            )
            if "pretrained" in params
            else "",
        }

    def _deadline(self, date: str) -> datetime:
        return datetime.combine(datetime.fromisoformat(date), time(), tzinfo=UTC) + self.patience
