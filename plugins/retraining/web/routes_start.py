"""The route of the start page: how each pipeline stands, in one line."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from airflow.api_fastapi.common.db.common import SessionDep  # noqa: TC002 - FastAPI reads it
from airflow.api_fastapi.core_api.security import GetUserDep  # noqa: TC002 - FastAPI reads it

from retraining.web import airflow_db, aws_reads, decisions, json_views, model_versions, permissions
from retraining.web.endpoint_names import endpoint_name

# All that is read for the answer, together; the page says what did not come in time.
_SECONDS = 2.5


def list_states(user: GetUserDep, session: SessionDep) -> dict[str, Any]:
    """Return the last night of each pipeline that the user may see, and what serves."""
    pipelines = permissions.readable(user, session)
    nights = [
        airflow_db.last_night(session, found.dag_id, pipeline=found.name) for found in pipelines
    ]
    endpoints = [endpoint_name(session, found) for found in pipelines]
    session.close()
    serving: list[Any] = [
        model_versions.start_serving(found.name, name)
        for found, name in zip(pipelines, endpoints, strict=True)
    ]
    since: list[Any] = [model_versions.start_since(name) for name in endpoints]
    rows, notices = decisions.read([night for night in nights if night], seconds=_SECONDS)
    answers = aws_reads.collect([*serving, *since], seconds=_SECONDS)
    served, times = answers[: len(pipelines)], answers[len(pipelines) :]
    shown = {row.run.dag_id: row for row in rows}
    states = []
    for pipeline, found, time in zip(pipelines, served, times, strict=True):
        now = None if isinstance(found, Exception) else found
        row = shown.get(pipeline.dag_id)
        states.append({
            "dag_id": pipeline.dag_id,
            "night": row and json_views.row(row, None, now),
            "serving": now and asdict(now),
            "since": None if isinstance(time, Exception) or time is None else time.isoformat(),
        })  # fmt: skip
    notices += aws_reads.notices(served, about="endpoints")
    return {"states": states, "notices": notices}
