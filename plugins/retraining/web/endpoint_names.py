"""The endpoint on which a pipeline's versions serve."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retraining import naming
from retraining.web import airflow_db
from retraining.web.recent import Recent

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from retraining.web.pipelines import Pipeline

_PARAMETER = "endpoint_name"
_NAMES: Recent[str] = Recent(60.0, 100)


def endpoint_name(session: Session, pipeline: Pipeline) -> str:
    """Return the default of the deployment DAG's parameter; without one the pipeline's name."""
    return _NAMES.get(pipeline, lambda: _read(session, pipeline))


def _read(session: Session, pipeline: Pipeline) -> str:
    if pipeline.deployment_dag_id is None:
        return pipeline.name
    name = airflow_db.parameter_default(session, pipeline.deployment_dag_id, _PARAMETER)
    is_name = isinstance(name, str) and naming.ENDPOINT_NAME.fullmatch(name)
    return str(name) if is_name else pipeline.name
