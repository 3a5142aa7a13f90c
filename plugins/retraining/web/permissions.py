"""Who may see the page and who may act on it: what Airflow says, and no more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.api_fastapi.common.db.common import SessionDep  # noqa: TC002 - FastAPI reads it
from airflow.api_fastapi.core_api.security import GetUserDep  # noqa: TC002 - FastAPI reads it
from airflow.configuration import conf
from fastapi import Depends, HTTPException, Query, Request, status

from retraining.web import airflow_db
from retraining.web.pipelines import Pipeline, pipeline_of, pipelines

if TYPE_CHECKING:
    from airflow.api_fastapi.auth.managers.base_auth_manager import ResourceMethod
    from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
    from sqlalchemy.orm import Session

# A form or an image of another site cannot send it; only script of this origin can.
HEADER = "X-Model-Quality"
DagId = Annotated[str, Query(min_length=1, max_length=250, pattern=r"^[\w.-]+$")]


def may(
    user: BaseUser, method: ResourceMethod, dag_id: str, *, entity: DagAccessEntity | None = None
) -> bool:
    """Ask Airflow's auth manager whether a user may do something to a DAG."""
    details = DagDetails(id=dag_id, team_name=airflow_db.team_of(dag_id))
    manager = get_auth_manager()
    return manager.is_authorized_dag(
        method=method, access_entity=entity, details=details, user=user
    )


def readable(user: BaseUser, session: Session) -> list[Pipeline]:
    """Return the pipelines whose retraining DAG, with its runs, a user may read."""
    return [
        item
        for item in pipelines(session)
        if may(user, "GET", item.dag_id)
        and may(user, "GET", item.dag_id, entity=DagAccessEntity.RUN)
    ]


def readable_pipeline(dag_id: DagId, user: GetUserDep, session: SessionDep) -> Pipeline:
    """Return the pipeline of the DAG that a request names, if its user may read it.

    Raises:
        HTTPException: 403 if not; 404 if the DAG has no pipeline.
    """
    return _allowed("GET", dag_id, user, session)


def editable_pipeline(dag_id: DagId, user: GetUserDep, session: SessionDep) -> Pipeline:
    """Return the pipeline of the DAG that a request names, if its user may edit it.

    Raises:
        HTTPException: 403 if not; 404 if the DAG has no pipeline.
    """
    return _allowed("PUT", dag_id, user, session)


def may_read_logs(user: BaseUser, pipeline: Pipeline) -> bool:
    """Say whether a user may read the logs of a pipeline's tasks."""
    return may(user, "GET", pipeline.dag_id, entity=DagAccessEntity.TASK_LOGS)


def may_deploy(user: BaseUser, pipeline: Pipeline) -> bool:
    """Say whether a user may start the DAG that deploys a pipeline's versions."""
    return pipeline.deployment_dag_id is not None and may(
        user, "POST", pipeline.deployment_dag_id, entity=DagAccessEntity.RUN
    )


def from_this_page(request: Request) -> None:
    """Refuse what another site made a browser send.

    The session's cookie comes along with every request of a browser, also with those that a page
    of somebody else's caused.

    Raises:
        HTTPException: 403 or 415: it may not come from this page.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise HTTPException(
            status.HTTP_415_UNSUPPORTED_MEDIA_TYPE, "the body must be application/json"
        )
    if request.headers.get(HEADER) != "act":
        raise HTTPException(status.HTTP_403_FORBIDDEN, f"the header {HEADER}: act is missing")
    if request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
        raise HTTPException(status.HTTP_403_FORBIDDEN, "the request comes from another site")
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc not in _own_hosts(request):
        raise HTTPException(status.HTTP_403_FORBIDDEN, f"the request comes from {origin!r:.200}")


def _own_hosts(request: Request) -> set[str]:
    # Behind a proxy the Host header may be the proxy's word for this server.
    configured = urlsplit(conf.get("api", "base_url", fallback="") or "").netloc
    return {host for host in (request.headers.get("host"), configured) if host}


def _allowed(method: ResourceMethod, dag_id: str, user: BaseUser, session: Session) -> Pipeline:
    # Before the look at the DAG, so that nobody learns which there are.
    _require(user, method, dag_id)
    pipeline = pipeline_of(session, dag_id)
    if pipeline is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, f"{dag_id} retrains and deploys no model")
    _require(user, method, pipeline.dag_id)
    _require(user, "GET", pipeline.dag_id, entity=DagAccessEntity.RUN)
    return pipeline


def _require(
    user: BaseUser, method: ResourceMethod, dag_id: str, *, entity: DagAccessEntity | None = None
) -> None:
    if not may(user, method, dag_id, entity=entity):
        raise HTTPException(status.HTTP_403_FORBIDDEN, "Forbidden")


ReadablePipeline = Annotated[Pipeline, Depends(readable_pipeline)]
EditablePipeline = Annotated[Pipeline, Depends(editable_pipeline)]
