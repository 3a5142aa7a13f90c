"""Imports what tasks need in the process that forks them, once, and not in every task.

A task of the LocalExecutor is forked from a worker that is forked from the scheduler; the triggerer
and the DAG processor fork as well. Each of their children imported the same libraries anew: a
third of the processor time of a short task. This project's own modules are not among them, so that
a task runs the code that lies there when it starts.
"""

from __future__ import annotations

import importlib
import logging

from airflow.listeners import hookimpl

log = logging.getLogger(__name__)

_LIBRARIES = (
    "airflow.providers.amazon.aws.operators.sagemaker",
    "airflow.providers.standard.operators.hitl",
    "airflow.providers.standard.operators.python",
    # What botocore and boto3 leave to the first client.
    "boto3.s3.inject",
    "botocore.args",
    "botocore.endpoint",
    "botocore.handlers",
    "botocore.httpsession",
    "botocore.httpchecksum",
    "botocore.regions",
    "botocore.retries.standard",
    "s3transfer.manager",
)


@hookimpl
def on_starting(component: object) -> None:
    """Import them, unless it is a task that starts; a library that is not there is its own news."""
    # Airflow has no other word for it: of its components only these have a heartbeat.
    if not hasattr(component, "latest_heartbeat"):
        return
    for name in _LIBRARIES:
        try:
            importlib.import_module(name)
        except ImportError as error:
            log.warning("%s cannot be imported before it is needed: %s", name, error)
