"""The routes that tell: what the page asks for."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

from airflow.api_fastapi.common.db.common import SessionDep  # noqa: TC002 - FastAPI reads it
from airflow.api_fastapi.core_api.security import GetUserDep  # noqa: TC002 - FastAPI reads it
from botocore.exceptions import ClientError
from fastapi import HTTPException, Query, status
from fastapi.responses import Response

from retraining.aws import console
from retraining.aws.errors import is_missing
from retraining.web import (
    airflow_db,
    aws_reads,
    csv_download,
    data_distances,
    decisions,
    job_log,
    job_seconds,
    json_views,
    model_versions,
    permissions,
    predictions,
)
from retraining.web.endpoint_names import endpoint_name
from retraining.web.permissions import ReadablePipeline  # noqa: TC001 - FastAPI reads it
from retraining.web.prices import PricesError, prices

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from retraining.web.pipelines import Pipeline

# All that is read for one answer, together; the page says what did not come in time.
_SECONDS = 2.5
_CSV_SECONDS = 8.0
_CSV_RUNS = 1_000

RunId = Annotated[str, Query(min_length=1, max_length=250)]
Offset = Annotated[int, Query(ge=0, le=100_000)]


def list_pipelines(user: GetUserDep, session: SessionDep) -> list[dict[str, Any]]:
    """Return the pipelines that the user may see, and what they may do."""
    return [
        {
            **asdict(found),
            "may_edit": permissions.may(user, "PUT", found.dag_id),
            "may_deploy": permissions.may(user, "PUT", found.dag_id)
            and permissions.may_deploy(user, found),
        }
        for found in permissions.readable(user, session)
    ]


def list_runs(
    pipeline: ReadablePipeline,
    session: SessionDep,
    offset: Offset = 0,
    limit: Annotated[int, Query(ge=1, le=200)] = 100,
) -> dict[str, Any]:
    """Return a page of runs, newest first."""
    runs, total = airflow_db.newest(
        session, pipeline.dag_id, pipeline=pipeline.name, offset=offset, limit=limit
    )
    endpoint = endpoint_name(session, pipeline)
    session.close()
    rows, serving, notices = _rows(pipeline, runs, endpoint, seconds=_SECONDS)
    return {"rows": rows, "total": total, "serving": serving, "notices": notices}


def list_jobs(
    pipeline: ReadablePipeline,
    session: SessionDep,
    run_id: Annotated[list[str], Query(min_length=1, max_length=50)],
) -> dict[str, Any]:
    """Return how long the jobs of some runs took and what they cost, by run and step."""
    runs = airflow_db.some(session, pipeline.dag_id, pipeline=pipeline.name, run_ids=run_id)
    session.close()
    found, notices = _jobs(runs, seconds=_SECONDS)
    return {"runs": found, "notices": notices}


def one_run(pipeline: ReadablePipeline, session: SessionDep, run_id: RunId) -> dict[str, Any]:
    """Return all about one run but its predictions."""
    run = _run(session, pipeline, run_id)
    steps = airflow_db.steps(session, run)
    endpoint = endpoint_name(session, pipeline)
    session.close()
    listing = model_versions.start_listing(pipeline.name, down_to=0)
    serving = model_versions.start_serving(pipeline.name, endpoint)
    (row,), notices = decisions.read([run], seconds=_SECONDS)
    data, unread = _data(run)
    jobs, said = _jobs([run], seconds=_SECONDS)
    listed, served, more = _registry(listing, serving, seconds=_SECONDS)
    outcome = row.found.outcome
    arn = (outcome.arn if outcome else None) or ""
    shown = json_views.row(row, listed, served)
    fault = [shown["fault"]] if shown["fault"] else []
    return {
        **shown,
        "pipeline": pipeline.name,
        "run_uri": run.uri,
        "serving": served and asdict(served),
        "conditions": json_views.conditions(row),
        "comparison": json_views.comparison(row),
        "data": data,
        "parameters": json_views.parameters(row),
        "fingerprint": json_views.fingerprint(row),
        "arn": json_views.text(arn),
        "steps": [asdict(step) | {"job": jobs.get(run_id, {}).get(step.task_id)} for step in steps],
        "links": console.console_links(run.jobs, arn=arn, endpoint=endpoint),
        "notices": [*notices, *fault, *unread, *said, *more],
    }


def run_predictions(
    pipeline: ReadablePipeline, session: SessionDep, run_id: RunId
) -> dict[str, Any]:
    """Return a run's predictions, thinned out; ``found`` is null if there are none."""
    run = _run(session, pipeline, run_id)
    session.close()
    uri = run.uri
    if uri is None:
        return {"found": None, "notices": []}
    (row,), _ = decisions.read([run], seconds=_SECONDS)
    plots = row.found.outcome.plots if row.found.outcome else None
    (answer,) = aws_reads.gather(
        "s3", [lambda s3: predictions.read(s3, uri, plots)], seconds=_SECONDS
    )
    if isinstance(answer, Exception):
        is_there = not (isinstance(answer, ClientError) and is_missing(answer))
        return {"found": None, "notices": [f"the predictions: {answer}"] if is_there else []}
    return {"found": answer, "notices": []}


def run_log(
    pipeline: ReadablePipeline,
    session: SessionDep,
    user: GetUserDep,
    run_id: RunId,
    task_id: Annotated[str, Query(min_length=1, max_length=250)],
) -> dict[str, Any]:
    """Return the last lines of the log of one step's job."""
    if not permissions.may_read_logs(user, pipeline):
        raise HTTPException(status.HTTP_403_FORBIDDEN, "you may not read the logs of this DAG")
    run = _run(session, pipeline, run_id)
    session.close()
    named = console.named(run.jobs.get(task_id, ""))
    if named is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, f"{task_id} of this run has no job")
    (answer,) = aws_reads.gather(
        "logs", [lambda logs: job_log.tail(logs, *named)], seconds=_SECONDS
    )
    if isinstance(answer, Exception):
        return {"streams": [], "notices": [f"the log: {answer}"]}
    return {"streams": answer, "notices": []}


def list_versions(
    pipeline: ReadablePipeline,
    session: SessionDep,
    offset: Offset = 0,
    limit: Annotated[int, Query(ge=1, le=50)] = 20,
) -> dict[str, Any]:
    """Return a page of the registry's versions, newest first, and what serves."""
    endpoint = endpoint_name(session, pipeline)
    session.close()
    listing = model_versions.start_listing(pipeline.name, down_to=0)
    serving = model_versions.start_serving(pipeline.name, endpoint)
    listed, served, notices = _registry(listing, serving, seconds=_SECONDS)
    found, total, said = model_versions.page(
        listed, served, offset=offset, limit=limit, seconds=_SECONDS
    )
    return {
        "versions": [json_views.version(item) for item in found],
        "total": total,
        "serving": served and asdict(served),
        "notices": [*notices, *said],
    }


def download(
    pipeline: ReadablePipeline,
    session: SessionDep,
    verdict: Annotated[list[str], Query(max_length=10)] = [],  # noqa: B006 - FastAPI copies it
) -> Response:
    """Return the newest runs as CSV: of all verdicts, or of some.

    What could not be read is said in rows of its own, as a file has no other place for it.
    """
    runs, _ = airflow_db.newest(
        session, pipeline.dag_id, pipeline=pipeline.name, offset=0, limit=_CSV_RUNS
    )
    endpoint = endpoint_name(session, pipeline)
    session.close()
    rows, _, notices = _rows(pipeline, runs, endpoint, seconds=_CSV_SECONDS)
    if verdict:
        rows = [row for row in rows if row["verdict"] in verdict]
    kept = {row["run_id"] for row in rows}
    jobs, said = _jobs([run for run in runs if run.run_id in kept], seconds=_CSV_SECONDS)
    return Response(
        csv_download.text(rows, jobs, notices=[*notices, *said]).encode(errors="replace"),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{pipeline.name}-runs.csv"'},
    )


def _data(run: airflow_db.Run) -> tuple[dict[str, Any] | None, list[str]]:
    uri = run.uri
    if uri is None:
        return None, []
    (answer,) = aws_reads.gather("s3", [lambda s3: data_distances.read(s3, uri)], seconds=_SECONDS)
    if isinstance(answer, Exception):
        return None, [f"the decision about the data: {answer}"]
    return answer, []


def _run(session: Session, pipeline: Pipeline, run_id: str) -> airflow_db.Run:
    found = airflow_db.some(session, pipeline.dag_id, pipeline=pipeline.name, run_ids=[run_id])
    if not found:
        raise HTTPException(status.HTTP_404_NOT_FOUND, f"{pipeline.dag_id} has no such run")
    return found[0]


def _rows(
    pipeline: Pipeline, runs: Sequence[airflow_db.Run], endpoint: str, *, seconds: float
) -> tuple[list[dict[str, Any]], dict[str, Any] | None, list[str]]:
    # What is asked of the registry meanwhile cannot know yet how far back it has to go.
    listing = model_versions.start_listing(pipeline.name, down_to=0)
    serving = model_versions.start_serving(pipeline.name, endpoint)
    rows, notices = decisions.read(runs, seconds=seconds)
    listed, served, said = _registry(listing, serving, seconds=seconds)
    return (
        [json_views.row(row, listed, served) for row in rows],
        None if served is None else asdict(served),
        [*notices, *said],
    )


def _registry(
    listing: Any, serving: Any, *, seconds: float
) -> tuple[model_versions.Listed | None, model_versions.Serving | None, list[str]]:
    listed, served = aws_reads.collect([listing, serving], seconds=seconds)
    notices = []
    if isinstance(listed, Exception):
        notices.append(f"the registry: {listed}")
    if isinstance(served, Exception):
        notices.append(f"the endpoint: {served}")
    return (
        None if isinstance(listed, Exception) else listed,
        None if isinstance(served, Exception) else served,
        notices,
    )


def _jobs(
    runs: Sequence[airflow_db.Run], *, seconds: float
) -> tuple[dict[str, dict[str, Any]], list[str]]:
    found, notices = job_seconds.read(
        [arn for run in runs for arn in run.jobs.values()], seconds=seconds
    )
    try:
        known = prices()
    except PricesError as error:
        known = {}
        notices.append(str(error))
    return {
        run.run_id: {
            step: json_views.job(found[arn], known)
            for step, arn in run.jobs.items()
            if arn in found
        }
        for run in runs
    }, notices
