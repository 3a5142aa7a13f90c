"""What DAGs of every pipeline tell Airflow: keyword arguments of ``airflow.sdk.DAG``.

A DAG takes them with ``**dag_defaults.retraining(PIPELINE)``. A schedule, parameters and the
documentation are the DAG's own.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from retraining import notifications, retries
from retraining.runs.results import result_of

if TYPE_CHECKING:
    from retraining.pipeline import Pipeline

# Named and not imported: the scheduler looks it up.
_NIGHTLY_FIRST = "retraining.plugin.priority.NightlyFirst"
_LONGEST_MAINTENANCE = timedelta(minutes=15)
_START = datetime(2026, 1, 1)  # noqa: DTZ001 - Airflow takes it as UTC


def retraining(pipeline: Pipeline) -> dict[str, Any]:
    """Return the arguments of a DAG that retrains.

    Four runs at a time may be under way; failures that pass are retried, others are told to whom
    the settings name; a nightly run's tasks go before those of a backfill.
    """
    return {**_retraining(), **_common(pipeline.name, role="retraining")}


def _retraining() -> dict[str, Any]:
    return {
        "max_active_runs": 4,
        "deadline": notifications.deadline(),
        "default_args": {
            **_task_arguments(),
            "weight_rule": _NIGHTLY_FIRST,
        },
        "user_defined_macros": {"result_of": result_of},
    }


def compiled(pipeline: str, *, is_shown: bool) -> dict[str, Any]:
    """Return the arguments of a DAG that runs a SageMaker Pipelines definition, as of retraining.

    Args:
        pipeline: Its name.
        is_shown: Whether the page "Model quality" has anything to show of it.
    """
    common = _common(pipeline, role="retraining" if is_shown else "sagemaker-pipelines")
    return {**_retraining(), **common}


def deployment(pipeline: str) -> dict[str, Any]:
    """Return the arguments of a DAG that deploys: one run at a time."""
    return {
        **_common(pipeline, role="deployment"),
        "max_active_runs": 1,
        "default_args": _task_arguments(),
    }


def maintenance() -> dict[str, Any]:
    """Return the arguments of a DAG that works for all pipelines: one run at a time, in bounds."""
    return {
        "start_date": _START,
        "catchup": False,
        "max_active_runs": 1,
        "default_args": {
            "retries": 2,
            "retry_policy": retries.PassingFailuresPolicy(),
            # One that hangs would keep all later runs waiting.
            "execution_timeout": _LONGEST_MAINTENANCE,
        },
        "tags": ["maintenance"],
    }


def _common(pipeline: str, *, role: str) -> dict[str, Any]:
    return {
        "start_date": _START,
        "catchup": False,
        # The page "Model quality" finds a pipeline's DAGs by these.
        "tags": [role, pipeline],
    }


def _task_arguments() -> dict[str, Any]:
    return {
        **retries.retry_arguments(),
        "on_failure_callback": notifications.failure_callbacks(),
    }
