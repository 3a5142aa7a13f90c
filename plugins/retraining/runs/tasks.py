"""What the Python tasks of a retraining DAG do. Each takes its DAG run's context by name."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowFailException

from retraining import naming
from retraining.aws import clients
from retraining.gate import decision as gate
from retraining.gate import verdict_line
from retraining.jobs import orphans, requests
from retraining.registry import assets, versions
from retraining.runs import kinds, records
from retraining.settings import settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TypeAlias

    from retraining.gate.conditions import Condition

    Params: TypeAlias = Mapping[str, Any]

# Three months of nights; reading them takes two seconds.
_REPORTED_RUNS = 90

log = logging.getLogger(__name__)

# A task in any other state, even one that failed and is to be retried, may wait for its job.
_OVER = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})


def check_quality(
    *,
    run: Mapping[str, str],
    policy: Sequence[Condition],
    params: Params,
    dag_run: Any,
    ti: Any,
) -> str:
    """Judge the run's evaluation report, write the decision down, and choose the branch.

    Returns:
        The id of the task to go on with: ``register_model``, or for a rejected model
        ``skip_registration`` or ``reject_model``, as the parameter ``when_rejected`` says.

    Raises:
        AirflowFailException: The report cannot be judged. A retry would read the same report.
    """
    s3 = clients.client("s3")
    report = None
    try:
        report = records.read_report(s3, run["run_uri"])
    except records.ReportMissingError as error:
        decision = gate.undecidable(str(error), policy, params)
    else:
        decision = gate.decide(report.content, policy, parameters=params)
    uri = records.write_decision(
        s3,
        run["run_uri"],
        decision=decision,
        report=report,
        run={
            "run_id": dag_run.run_id,
            "dag_id": dag_run.dag_id,
            "run_type": kinds.run_type(dag_run),
            **run,
        },
    )
    log.info("%s: %s (%s)", decision.verdict.value, decision.explanation, uri)
    ti.xcom_push(verdict_line.KEY, verdict_line.verdict_line(decision))
    if decision.verdict is gate.Verdict.UNDECIDABLE:
        raise AirflowFailException(
            f"{decision.explanation}. Nothing was registered; the decision is at {uri}"
        )
    if decision.verdict is gate.Verdict.PASS:
        return "register_model"
    return "reject_model" if params["when_rejected"] == "fail" else "skip_registration"


def register_model(
    *,
    pipeline: str,
    description: str,
    run: Mapping[str, str],
    training: Mapping[str, str],
    params: Params,
    dag_run: Any,
    outlet_events: Any,
) -> dict[str, Any]:
    """Register the run's model as a new version, once however often this is called.

    One that is registered as Approved starts a deployment. A backfill's is registered as its own
    parameter ``backfill_approval_status`` says, and not as ``approval_status``.

    Returns:
        ``model_package_arn``, ``version``, ``group``, ``snapshot`` and ``r2``.
    """
    approval_status = kinds.approval_status(dag_run, params)
    s3, sagemaker = clients.client("s3"), clients.client("sagemaker")
    versions.ensure_group(sagemaker, pipeline, description=description)
    # Of what went in, and not of the jobs: a run that is cleared as it was makes no new version.
    mark = naming.fingerprint(dag_run.dag_id, dag_run.run_id, dict(run), dict(params))
    metrics = json.loads(records.read_report(s3, run["run_uri"]).content)["regression_metrics"]
    r2 = metrics["r2_score"]["value"]
    request = requests.model_package(
        group=pipeline,
        image_uri=run["image_uri"],
        model_uri=training["model_uri"],
        report_uri=naming.report_uri(run["run_uri"]),
        approval_status=approval_status,
        description=f"snapshot {run['snapshot']}, r2 {r2:.4f}",
        realtime_instance_types=["ml.t2.medium", "ml.m5.large", "ml.m5.xlarge"],
        transform_instance_types=["ml.m5.large", "ml.m5.xlarge"],
        metadata={
            versions.SNAPSHOT: run["snapshot"],
            "r2_score": r2,
            "r2_threshold": params["r2_threshold"],
            "features": params["features"],
            "run_id": dag_run.run_id,
            "run_type": kinds.run_type(dag_run),
            "training_job": training["job_name"],
            "code_sha256": run["code_sha256"],
            "data_fingerprint": run["data_fingerprint"],
            versions.FINGERPRINT: mark,
        },
        git_commit=settings().git_commit,
        client_token=naming.client_token(mark),
    )
    version = versions.register_once(sagemaker, request, since=dag_run.run_after)
    records.add_registration(s3, run["run_uri"], arn=version.arn, version=version.number)
    said = "registered as" if version.is_new else "already registered as"
    log.info("%s version %d, %s: %s", said, version.number, approval_status, version.arn)
    if approval_status == versions.APPROVED:
        assets.announce(
            outlet_events,
            pipeline,
            arn=version.arn,
            version=version.number,
            snapshot=version.snapshot,
            r2=r2,
        )
    return {
        "model_package_arn": version.arn,
        "version": version.number,
        "group": pipeline,
        "snapshot": version.snapshot,
        "r2": r2,
    }


def skip_registration(*, run: Mapping[str, str]) -> None:
    """Say why nothing is registered; the run succeeds."""
    log.info("not registered: %s", _explanation(run))


def reject_model(*, run: Mapping[str, str]) -> None:
    """Fail the run with the gate's explanation.

    Raises:
        AirflowFailException: Always.
    """
    raise AirflowFailException(f"the model was rejected: {_explanation(run)}")


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
    return f"{where} is {state}" if state in _OVER else None


def _explanation(run: Mapping[str, str]) -> str:
    record = records.read_decision(clients.client("s3"), run["run_uri"])
    return f"{record['explanation']} ({naming.decision_uri(run['run_uri'])})"
