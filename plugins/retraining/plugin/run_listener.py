"""Gives a run and its gate's task a note with the verdict, and keeps why a task failed.

Of a run's end Airflow tells it in the scheduler, in the transaction that ends the run, so it reads
two XComs and nothing else; of a task's failure in the task's own process. Whatever goes wrong in
here must not keep either from ending.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from airflow.listeners import hookimpl

from retraining import naming

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun

log = logging.getLogger(__name__)

# The tags by which `retraining.web.pipelines` knows the DAGs, too.
_TAGS = frozenset({"retraining", "deployment"})
_REASON_LENGTH = 2_000


@hookimpl
def on_dag_run_success(dag_run: DagRun, msg: str) -> None:  # noqa: ARG001 - Airflow's signature
    """Write the note of a run that ended well."""
    _note(dag_run)


@hookimpl
def on_dag_run_failed(dag_run: DagRun, msg: str) -> None:  # noqa: ARG001 - Airflow's signature
    """Write the note of a run that failed, if it got as far as the gate."""
    _note(dag_run)


@hookimpl
def on_task_instance_failed(task_instance: Any, error: object) -> None:
    """Leave the reason of a failure for the page: Airflow's database does not have it."""
    try:
        dag = getattr(getattr(task_instance, "task", None), "dag", None)
        # What the scheduler tells of, a task whose process is gone, can push nothing.
        if error is not None and _TAGS & set(getattr(dag, "tags", None) or ()):
            task_instance.xcom_push(naming.FAILURE_XCOM, str(error)[:_REASON_LENGTH])
    except Exception:
        log.exception("the reason of the failure is not kept")


def _note(dag_run: DagRun) -> None:
    try:
        _write(dag_run)
    except Exception:
        log.exception("%s of %s gets no note", dag_run.run_id, dag_run.dag_id)


def _write(dag_run: DagRun) -> None:
    from airflow.models.xcom import XComModel  # noqa: PLC0415 - every task loads listeners
    from sqlalchemy import select  # noqa: PLC0415
    from sqlalchemy.orm import object_session  # noqa: PLC0415

    from retraining.gate import verdict_line  # noqa: PLC0415

    session = object_session(dag_run)
    if session is None:
        return
    with session.no_autoflush:
        lines = session.execute(
            select(XComModel.task_id, XComModel.value).where(
                XComModel.dag_run_id == dag_run.id, XComModel.key == naming.VERDICT_XCOM
            )
        ).all()
        if not lines:
            return
        returned = session.scalars(
            select(XComModel.value).where(
                XComModel.dag_run_id == dag_run.id, XComModel.key == "return_value"
            )
        ).all()
        version = next((found for value in returned if (found := _version(value))), None)
        for task_id, line in lines:
            note = verdict_line.run_note(str(line), version)[:1000]
            # What a person wrote stays.
            if not dag_run.note:
                dag_run.note = note
            ti = dag_run.get_task_instance(task_id, session=session)
            if ti is not None and not ti.note:
                ti.note = note


def _version(value: Any) -> int | None:
    if isinstance(value, dict) and "model_package_arn" in value:
        version = value.get("version")
        return version if isinstance(version, int) else None
    return None
