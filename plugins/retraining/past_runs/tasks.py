"""The task that brings the page about past runs up to date."""

from __future__ import annotations

import logging
from typing import Any

from retraining.aws import clients
from retraining.settings import settings

log = logging.getLogger(__name__)

# Three months of nights; reading them takes two seconds.
_REPORTED_RUNS = 90


def report_history(*, pipeline: str, dag_run: Any, ti: Any) -> dict[str, str] | None:
    """Bring the page about past runs up to date, unless a run that is to come will do it.

    The last of several runs at a time finds no other that has not come this far, so every decision
    is written by then.

    Returns:
        The URIs of the page and the table; None if they are left to a later run.
    """
    waiting = ti.get_ti_count(
        dag_id=dag_run.dag_id, task_ids=[ti.task_id], states=["null", "scheduled", "queued"]
    )
    if waiting:
        log.info("left to the last of %d runs that are not over", waiting)
        return None
    # It brings a library for plots, which takes a second to import.
    from retraining.past_runs.publishing import write_history_report  # noqa: PLC0415

    return write_history_report(
        clients.client("s3"),
        clients.client("sagemaker"),
        settings().bucket,
        pipeline=pipeline,
        newest=_REPORTED_RUNS,
    )
