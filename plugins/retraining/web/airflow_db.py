"""Airflow's database as the page asks it: no other module of this room knows Airflow's models."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow.api.common.trigger_dag import trigger_dag
from airflow.models.dag import DagModel, DagTag
from airflow.models.dagbag import DBDagBag
from airflow.models.dagrun import DagRun
from airflow.models.log import Log
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from airflow.utils.session import create_session
from airflow.utils.types import DagRunTriggeredByType, DagRunType
from sqlalchemy import func, select

from retraining import naming
from retraining.settings import settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime

    from sqlalchemy.orm import Session

_RETURNED = "return_value"


class NotStartedError(Exception):
    """A DAG cannot be started; the message says why."""


@dataclass(frozen=True, slots=True)
class Run:
    """A DAG run.

    Attributes:
        dag_id: The DAG.
        run_id: The run.
        pipeline: The pipeline.
        state: queued, running, success or failed.
        run_type: scheduled, manual, backfill …
        run_after: When it was due; orders the runs.
        started: When it started.
        ended: When it ended.
        snapshot: The date of its data; None as long as it is not settled.
        jobs: The ARN of each step's newest job, in the order in which they started; of a step that
            was reused, of the earlier job.
    """

    dag_id: str
    run_id: str
    pipeline: str
    state: str
    run_type: str
    run_after: datetime
    started: datetime | None
    ended: datetime | None
    snapshot: str | None
    jobs: Mapping[str, str]

    @property
    def has_ended(self) -> bool:
        """Whether it is over, until somebody clears it."""
        return self.state in {"success", "failed"}

    @property
    def uri(self) -> str | None:
        """Return the folder below which it writes; None as long as that is not settled.

        Made from the run's id and a checked date: nothing else that a task or a request said
        gets into it.
        """
        if self.snapshot is None:
            return None
        return naming.run_uri(settings().bucket, self.pipeline, self.snapshot, self.run_id)


@dataclass(frozen=True, slots=True)
class Step:
    """One task of a run, as Airflow saw it last.

    Attributes:
        task_id: The task.
        state: Its state; None before it was scheduled.
        seconds: From its start to its end, waiting included.
        try_number: Of the last attempt.
        failure: Why it failed, or "".
    """

    task_id: str
    state: str | None
    seconds: float | None
    try_number: int
    failure: str


def open_session() -> AbstractContextManager[Session]:
    """Return a session for whoever is not given one."""
    return create_session()


def dags_with_any(session: Session, tags: Iterable[str]) -> dict[str, tuple[str, set[str]]]:
    """Return the title and all tags of the DAGs that have any of these tags, by their ids."""
    rows = session.execute(
        select(  # type: ignore[call-overload] # its getter hides that it is a column
            DagModel.dag_id, DagModel.dag_display_name, DagTag.name
        )
        .join(DagTag, DagTag.dag_id == DagModel.dag_id)
        .where(
            ~DagModel.is_stale,
            DagModel.dag_id.in_(select(DagTag.dag_id).where(DagTag.name.in_([*tags]))),
        )
        .order_by(DagModel.dag_id)
    )
    found: dict[str, tuple[str, set[str]]] = {}
    for dag_id, title, tag in rows:
        found.setdefault(dag_id, (title or dag_id, set()))[1].add(tag)
    return found


def parameter_default(session: Session, dag_id: str, name: str) -> object:
    """Return the default of a DAG's parameter; None without such a DAG or parameter."""
    dag = DBDagBag().get_latest_version_of_dag(dag_id, session=session)
    return None if dag is None or name not in dag.params else dag.params[name]


def team_of(dag_id: str) -> str | None:
    """Return the team that a DAG belongs to, where Airflow has teams."""
    return DagModel.get_team_name(dag_id)


def start(
    session: Session, dag_id: str, *, conf: Mapping[str, object], who: str, note: str
) -> tuple[str, bool]:
    """Start a DAG for a person.

    Returns:
        The run's id, and whether the DAG is paused, so that nothing happens yet.

    Raises:
        NotStartedError: It cannot be started.
    """
    model = DagModel.get_current(dag_id, session=session)
    if model is None or model.has_import_errors:
        why = "does not exist" if model is None else "has import errors"
        raise NotStartedError(f"{dag_id} {why} and cannot be started")
    try:
        run = trigger_dag(
            dag_id=dag_id,
            triggered_by=DagRunTriggeredByType.UI,
            triggering_user_name=who,
            conf=dict(conf),
            note=note,
        )
    except ValueError as error:
        raise NotStartedError(f"{dag_id} cannot be started: {error}") from error
    if run is None:
        raise NotStartedError(f"{dag_id} was not started")
    return run.run_id, bool(model.is_paused)


def audit(
    session: Session, dag_id: str, event: str, *, who: str, extra: Mapping[str, object]
) -> None:
    """Write what a person did into Airflow's audit log."""
    session.add(Log(event=event, owner=who, dag_id=dag_id, extra=json.dumps(extra)))
    session.commit()


def hold(session: Session, dag_id: str) -> None:
    """Wait until no other request acts for a DAG, and keep others waiting until the session ends.

    All API servers of an Airflow have one database, so this holds between them, too. The row of a
    tag is what nothing else of Airflow waits for.
    """
    session.execute(select(DagTag.name).where(DagTag.dag_id == dag_id).with_for_update())


def returned(session: Session, dag_id: str, run_id: str, *, task_id: str, map_index: int) -> object:
    """Return what a task returned; None if it returned nothing yet."""
    return session.scalar(
        select(XComModel.value).where(
            XComModel.dag_id == dag_id,
            XComModel.run_id == run_id,
            XComModel.task_id == task_id,
            XComModel.map_index == map_index,
            XComModel.key == _RETURNED,
        )
    )


def newest(
    session: Session, dag_id: str, *, pipeline: str, offset: int, limit: int
) -> tuple[list[Run], int]:
    """Return a page of a DAG's runs, those that were due last first, and how many there are."""
    total = session.scalar(select(func.count()).select_from(DagRun).where(DagRun.dag_id == dag_id))
    found = session.scalars(
        select(DagRun)
        .where(DagRun.dag_id == dag_id)
        .order_by(DagRun.run_after.desc(), DagRun.id.desc())
        .offset(offset)
        .limit(limit)
    ).all()
    return _with_returns(session, dag_id, pipeline, found), total or 0


def last_night(session: Session, dag_id: str, *, pipeline: str) -> Run | None:
    """Return the run that was due last by schedule or asset; where there is none, any other."""
    found = session.scalars(
        select(DagRun)
        .where(DagRun.dag_id == dag_id)
        .order_by(
            DagRun.run_type.in_((DagRunType.MANUAL, DagRunType.BACKFILL_JOB)).asc(),
            DagRun.run_after.desc(),
            DagRun.id.desc(),
        )
        .limit(1)
    ).all()
    return next(iter(_with_returns(session, dag_id, pipeline, found)), None)


def some(session: Session, dag_id: str, *, pipeline: str, run_ids: Sequence[str]) -> list[Run]:
    """Return the runs of these ids, as far as they exist, in the order of the ids."""
    found = session.scalars(
        select(DagRun).where(DagRun.dag_id == dag_id, DagRun.run_id.in_(run_ids))
    ).all()
    runs = {run.run_id: run for run in _with_returns(session, dag_id, pipeline, found)}
    return [runs[run_id] for run_id in dict.fromkeys(run_ids) if run_id in runs]


def steps(session: Session, run: Run) -> list[Step]:
    """Return a run's tasks in the order in which they started."""
    found = session.scalars(
        select(TaskInstance)
        .where(TaskInstance.dag_id == run.dag_id, TaskInstance.run_id == run.run_id)
        .order_by(TaskInstance.start_date.asc().nulls_last(), TaskInstance.task_id)
    )
    failures = session.execute(
        select(XComModel.task_id, XComModel.value).where(
            XComModel.dag_id == run.dag_id,
            XComModel.run_id == run.run_id,
            XComModel.key == naming.FAILURE_XCOM,
        )
    )
    reasons = {task_id: str(value) for task_id, value in failures}
    return [
        Step(
            ti.task_id,
            str(ti.state.value if hasattr(ti.state, "value") else ti.state) if ti.state else None,
            (ti.end_date - ti.start_date).total_seconds()
            if ti.start_date and ti.end_date
            else None,
            ti.try_number,
            reasons.get(ti.task_id, ""),
        )
        for ti in found
    ]


def _with_returns(
    session: Session, dag_id: str, pipeline: str, found: Sequence[DagRun]
) -> list[Run]:
    snapshots: dict[str, str] = {}
    jobs: dict[str, dict[str, str]] = {}
    rows = session.execute(
        select(XComModel.run_id, XComModel.task_id, XComModel.key, XComModel.value)
        .where(
            XComModel.dag_id == dag_id,
            XComModel.run_id.in_([run.run_id for run in found]),
            XComModel.key.in_((naming.SNAPSHOT_XCOM, _RETURNED, naming.JOB_ARN_XCOM)),
        )
        .order_by(XComModel.timestamp, XComModel.task_id)
    )
    for run_id, task_id, key, value in rows:
        if key == naming.SNAPSHOT_XCOM and (date := _date(value)):
            snapshots[run_id] = date
        elif key == naming.JOB_ARN_XCOM:
            jobs.setdefault(run_id, {})[task_id] = str(value)
        elif isinstance(value, dict) and isinstance(value.get("job_arn"), str):
            jobs.setdefault(run_id, {})[task_id] = value["job_arn"]
    return [
        Run(
            dag_id=dag_id,
            run_id=run.run_id,
            pipeline=pipeline,
            state=str(getattr(run.state, "value", run.state)),
            run_type=str(getattr(run.run_type, "value", run.run_type)),
            run_after=run.run_after,
            started=run.start_date,
            ended=run.end_date,
            snapshot=snapshots.get(run.run_id),
            jobs=jobs.get(run.run_id, {}),
        )
        for run in found
    ]


def _date(value: Any) -> str | None:
    try:
        return naming.checked_snapshot(value) if isinstance(value, str) else None
    except naming.InvalidNameError:
        return None
