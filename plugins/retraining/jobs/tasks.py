"""The task that stops jobs which nobody waits for."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from retraining.aws import clients
from retraining.jobs import attempts, orphans
from retraining.settings import settings

if TYPE_CHECKING:
    from collections.abc import Mapping

log = logging.getLogger(__name__)


def stop_orphans(*, ti: Any) -> list[str]:
    """Stop the running jobs that nobody waits for any more, if the settings allow it.

    Returns:
        The names of the jobs that were stopped.
    """
    place = settings()
    sagemaker = clients.client("sagemaker")
    stopped = []
    running = orphans.running_jobs(sagemaker, deployment=place.bucket)
    for orphan in orphans.orphans(running, lambda owner: _why_over(ti, owner)):
        job = orphan.job
        if not place.stop_orphans:
            log.warning(
                "%s would be stopped, as %s; set RETRAINING_STOP_ORPHANS=true to let it be",
                job.name,
                orphan.reason,
            )
            continue
        log.warning("stopping %s, as %s", job.name, orphan.reason)
        try:
            job.job_type.stop(sagemaker, job.name)
        except sagemaker.exceptions.ClientError as error:
            # It may have ended at this very moment; if not, the next hour's look finds it again.
            log.warning("%s was not stopped: %s", job.name, error)
        else:
            stopped.append(job.name)
    log.info("stopped %d jobs", len(stopped))
    return stopped


def _why_over(ti: Any, owner: Mapping[str, str]) -> str | None:
    """Say why a task waits for its job no more; None if it may, or if this Airflow can't know."""
    states = ti.get_task_states(
        dag_id=owner["dag_id"],
        run_ids=[owner["run_id"]],
        task_ids=[owner["task_id"]],
        map_index=int(owner["map_index"]),
    ).get(owner["run_id"])
    where = f"{owner['task_id']} of {owner['dag_id']}, run {owner['run_id']},"
    if not states:
        log.warning("nothing is known of %s whose job runs; it is left alone", where)
        return None
    state = next(iter(states.values()))
    return f"{where} is {state}" if state in attempts.OVER else None
