"""Where the buttons on a task lead, as its run stands now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from retraining import naming
from retraining.aws import console
from retraining.web import addresses, airflow_db
from retraining.web.endpoint_names import endpoint_name
from retraining.web.pipelines import pipeline_of
from retraining.web.recent import Recent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.sdk.types import TaskInstanceKey

# The six buttons of a task are asked for one after the other.
_KNOWN: Recent[Mapping[str, str]] = Recent(2.0, 200)


def link(name: str, ti_key: TaskInstanceKey) -> str | None:
    """Return the address of a task's button by the button's name; None if it has no such."""
    key = (ti_key.dag_id, ti_key.run_id, ti_key.task_id, ti_key.map_index)
    return _KNOWN.get(key, lambda: _links(*key)).get(name)


def _links(dag_id: str, run_id: str, task_id: str, map_index: int) -> Mapping[str, str]:
    with airflow_db.open_session() as session:
        pipeline = pipeline_of(session, dag_id)
        if pipeline is None:
            return {}
        value = airflow_db.returned(session, dag_id, run_id, task_id=task_id, map_index=map_index)
        returned: Mapping[str, Any] = value if isinstance(value, dict) else {}
        endpoint = endpoint_name(session, pipeline)
        runs = airflow_db.some(session, dag_id, pipeline=pipeline.name, run_ids=[run_id])
    job = runs[0].jobs.get(task_id, "") if runs else ""
    package = str(returned.get("model_package_arn", ""))
    deploys = dag_id == pipeline.deployment_dag_id
    uri = runs[0].uri if runs else None
    # Of whatever the run has made: the gate itself makes nothing that has an ARN.
    arns = (job, package, *(runs[0].jobs.values() if runs else ()))
    regions = (arn.partition(":sagemaker:")[2].partition(":")[0] for arn in arns)
    region = next(filter(None, regions), "")
    found: dict[str, str | None] = {}
    if console.is_embedded():
        run_page = None if deploys else run_id
        found = {
            addresses.JOB: addresses.page_url(dag_id, run_page, section="steps") if job else None,
            addresses.LOG: addresses.page_url(dag_id, run_page, section=f"log-{task_id}")
            if job
            else None,
        }
    else:
        found = {addresses.JOB: console.job_url(job), addresses.LOG: console.log_url(job)}
    if uri is not None and not deploys:
        is_shown_here = console.is_embedded() or not region
        for name, target, section in (
            (addresses.REPORT, naming.report_uri(uri), "evaluation"),
            (addresses.DECISION, naming.decision_uri(uri), "decision"),
        ):
            found[name] = (
                addresses.page_url(dag_id, run_id, section=section)
                if is_shown_here
                else console.object_url(region, target)
            )
    if package:
        # The console shows versions only in Studio, whose address has a domain of its own in it.
        found[addresses.VERSION] = addresses.page_url(pipeline.dag_id, section="versions")
    if package or deploys:
        found[addresses.ENDPOINT] = (
            addresses.page_url(pipeline.dag_id, section="versions")
            if console.is_embedded() or not region
            else console.endpoint_url(region, endpoint)
        )
    return {name: url for name, url in found.items() if url}
