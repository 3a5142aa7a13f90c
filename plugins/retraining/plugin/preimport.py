"""Loads what tasks need in the process that forks them, once, and not in every task.

A task of the LocalExecutor is forked from a worker that is forked from the scheduler; the triggerer
and the DAG processor fork as well. Each of their children imported the same libraries anew: a
third of the processor time of a short task. Parsing the models of AWS's services took half of the
rest, and this library's own modules a quarter of what was left: as with all plugins of Airflow, a
change to them needs a restart, whereas a DAG's file and the scripts are read when a task starts.
"""

from __future__ import annotations

import importlib
import logging

from airflow.listeners import hookimpl

from retraining.aws import service_models

log = logging.getLogger(__name__)

# What the DAGs name, which brings what that needs, and what boto3 leaves to the first client of S3.
_MODULES = (
    "retraining.steps",
    "retraining.pipeline",
    "retraining.dag_defaults",
    "retraining.params",
    "retraining.deployment.dag",
    "retraining.jobs.tasks",
    "retraining.past_runs.tasks",
    "boto3.s3.inject",
)


@hookimpl
def on_starting(component: object) -> None:
    """Import them, unless it is a task that starts; a module that is not there is its own news."""
    # Airflow has no other word for it: of its components only these have a heartbeat.
    if not hasattr(component, "latest_heartbeat"):
        return
    for name in _MODULES:
        try:
            importlib.import_module(name)
        except ImportError as error:
            log.warning("%s cannot be imported before it is needed: %s", name, error)
    try:
        service_models.parse()
    except Exception as error:
        log.warning("the models of AWS's services cannot be parsed before a task: %s", error)
