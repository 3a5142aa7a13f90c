"""Which DAG belongs to which pipeline, as the tags of the DAGs tell."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from retraining.web import airflow_db

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.orm import Session

RETRAINING = "retraining"
DEPLOYMENT = "deployment"
# What may be a folder in the bucket and the name of a model package group.
_PIPELINE = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A pipeline, and the DAGs that work for it.

    Attributes:
        name: As the bucket and the registry spell it.
        dag_id: The DAG that retrains.
        title: What the DAG is called in the UI.
        deployment_dag_id: The DAG that deploys; None if there is none.
    """

    name: str
    dag_id: str
    title: str
    deployment_dag_id: str | None


def pipelines(session: Session) -> list[Pipeline]:
    """Return the pipelines of the DAGs that Airflow has now, by DAG id."""
    dags = airflow_db.dags_with_any(session, (RETRAINING, DEPLOYMENT))
    deploying = {
        name: dag_id
        for dag_id, (_, tags) in dags.items()
        if (name := pipeline_name(dag_id, tags, role=DEPLOYMENT))
    }
    return [
        Pipeline(name, dag_id, title, deploying.get(name))
        for dag_id, (title, tags) in dags.items()
        if (name := pipeline_name(dag_id, tags, role=RETRAINING))
    ]


def pipeline_of(session: Session, dag_id: str) -> Pipeline | None:
    """Return the pipeline whose models a DAG retrains or deploys; None for any other DAG."""
    for pipeline in pipelines(session):
        if dag_id in {pipeline.dag_id, pipeline.deployment_dag_id}:
            return pipeline
    return None


def pipeline_name(dag_id: str, tags: Iterable[str], *, role: str) -> str | None:
    """Read a DAG's tags: one says what it does, another one for which pipeline.

    Where there are several others, it is the one that the DAG's id begins with.

    Returns:
        The pipeline; None if the DAG does not have this role, or its tags do not tell.
    """
    others = {tag for tag in tags if tag != role and _PIPELINE.fullmatch(tag)}
    if role not in tags or not others:
        return None
    fitting = [tag for tag in others if dag_id.startswith(tag.replace("-", "_"))]
    return max(fitting, key=len) if fitting else others.pop() if len(others) == 1 else None
