"""The product's own DAG files, at a test's pace."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk.definitions.retry_policy import RetryDecision, RetryPolicy
from airflow.sdk.definitions.timetables.simple import NullTimetable

if TYPE_CHECKING:
    from airflow.sdk import DAG

_FOLDER = Path(__file__).resolve().parents[3] / "dags"
_DELAY = timedelta(seconds=1)


class ImpatientPolicy(RetryPolicy):
    """Decides as another policy does, but never waits long."""

    def __init__(self, policy: RetryPolicy) -> None:
        self._policy = policy

    def evaluate(self, *args: Any, **kwargs: Any) -> RetryDecision:
        """Return the other policy's decision, with the short delay where it gives one."""
        decision = self._policy.evaluate(*args, **kwargs)
        return replace(decision, retry_delay=_DELAY if decision.retry_delay else None)


def impatient(name: str) -> DAG:
    """Return the DAG of a product's file, without its schedule and with short delays."""
    spec = importlib.util.spec_from_file_location(f"product_{name}", _FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    dag: DAG = module.dag
    return hurried(dag)


def hurried(dag: DAG) -> DAG:
    """Return a DAG without its schedule and with short delays."""
    dag.timetable = NullTimetable()
    dag.max_active_runs = 16
    for task in dag.tasks:
        task.retry_delay = _DELAY
        task.retry_exponential_backoff = 0
        if hasattr(task, "defer_after"):
            # What is shown of a wait needs one.
            task.defer_after = timedelta()
        if task.retry_policy is not None:
            task.retry_policy = ImpatientPolicy(task.retry_policy)
    return dag
