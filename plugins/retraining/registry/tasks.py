"""The task that registers a model. It takes its DAG run's context by name."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowFailException

from retraining import naming
from retraining.aws import clients
from retraining.gate.report import metrics_in, names, parse
from retraining.gate.wire_form import in_record
from retraining.gate.words import one_line
from retraining.registry import assets, evidence, requests, versions
from retraining.runs import kinds, records
from retraining.runs.kinds import REJECT, WHEN_DATA_DIFFERS
from retraining.settings import settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retraining.gate.report import Metrics
    from retraining.pipeline import Pipeline

log = logging.getLogger(__name__)


def register_model(
    *,
    pipeline: Pipeline,
    run: Mapping[str, str],
    training: Mapping[str, str],
    params: Mapping[str, Any],
    dag_run: Any,
    outlet_events: Any,
) -> dict[str, Any]:
    """Register the run's model as a new version, once however often this is called.

    It is registered on the evidence of ``evidence.find`` and ``evidence.find_data`` alone, whatever
    was marked by hand; one that is registered against a gate is never Approved by that.

    One that is registered as Approved starts a deployment. A backfill's is registered as its own
    parameter ``backfill_approval_status`` says, and not as ``approval_status``.

    Returns:
        ``model_package_arn``, ``version``, ``group``, ``snapshot``, and ``headline``: the metric's
        path and value, None if the report has no such number.

    Raises:
        AirflowFailException: There is no such evidence. A retry would find no other.
    """
    s3, sagemaker = clients.client("s3"), clients.client("sagemaker")
    try:
        report, against_gate = evidence.find(
            s3,
            run["run_uri"],
            model_uri=training["model_uri"],
            policy=pipeline.policy,
            params=params,
        )
        data = (
            evidence.find_data(
                s3,
                run["run_uri"],
                policy=pipeline.data_policy,
                params=params,
            )
            if pipeline.data_policy is not None
            else None
        )
    except evidence.NoEvidenceError as error:
        raise AirflowFailException(f"{error}. Nothing was registered") from error
    approval_status = kinds.approval_status(dag_run, params)
    differs = data.differs if data else ""
    if (against_gate or differs) and approval_status == versions.APPROVED:
        approval_status = versions.PENDING
    if differs and params[WHEN_DATA_DIFFERS] == REJECT:
        approval_status = versions.REJECTED
    versions.ensure_group(sagemaker, pipeline.name, description=pipeline.description)
    given = {name: in_record(value) for name, value in params.items()}
    # Of what went in, and not of the jobs: a run that is cleared as it was makes no new version.
    mark = naming.fingerprint(dag_run.dag_id, dag_run.run_id, dict(run), given)
    pipeline = pipeline.for_run(params)
    metrics = metrics_in(parse(report.content), named=pipeline.metric_paths)
    headline = _headline(pipeline, metrics)
    shown = f", {one_line(pipeline.shown_by.name, 200)} {headline['value']:.4g}" if headline else ""
    shown += ", against the gate" if against_gate else ""
    shown += ", its data differ" if differs else ""
    answered_for = "{by}: {reason}".format(**against_gate) if against_gate else None
    request = requests.model_package(
        pipeline=pipeline,
        image_uri=run["inference_image_uri"],
        model_uri=training["model_uri"],
        report_uri=report.uri,
        data_report_uri=data.report_uri if data else None,
        data_decision_uri=data.decision_uri if data else None,
        approval_status=approval_status,
        description=f"snapshot {run['snapshot']}{shown}",
        metadata={
            **_declared(pipeline, metrics, given),
            versions.SNAPSHOT: run["snapshot"],
            versions.HEADLINE: pipeline.shown_by.metric,
            versions.BETTER: pipeline.better,
            versions.TOLERANCE: pipeline.tolerance,
            "run_id": dag_run.run_id,
            "run_type": kinds.run_type(dag_run),
            "training_job": training["job_name"],
            "code_sha256": run["code_sha256"],
            "data_fingerprint": run["data_fingerprint"],
            versions.FINGERPRINT: mark,
            **({versions.AGAINST_GATE: answered_for} if answered_for else {}),
            **({versions.DATA_DIFFERS: differs} if differs else {}),
        },
        git_commit=settings().git_commit,
        client_token=naming.client_token(mark),
    )
    version = versions.register_once(sagemaker, request, since=dag_run.run_after)
    records.add_registration(
        s3, run["run_uri"], arn=version.arn, version=version.number, report_etag=report.etag
    )
    said = "registered as" if version.is_new else "already registered as"
    log.info("%s version %d, %s: %s", said, version.number, version.approval, version.arn)
    if why := records.objection(s3, run["run_uri"]):
        log.warning("version %d is not deployed unasked: %s", version.number, why)
    if version.approval == versions.APPROVED:
        assets.announce(
            outlet_events,
            pipeline.name,
            arn=version.arn,
            version=version.number,
            snapshot=version.snapshot,
            headline=headline,
        )
    return {
        "model_package_arn": version.arn,
        "version": version.number,
        "group": pipeline.name,
        "snapshot": version.snapshot,
        "headline": headline,
    }


def _headline(pipeline: Pipeline, metrics: Metrics) -> dict[str, Any] | None:
    path = pipeline.shown_by.metric
    measure = metrics.measures.get(path)
    return {"metric": path, "value": measure.value} if measure else None


def _declared(pipeline: Pipeline, metrics: Metrics, params: Mapping[str, Any]) -> dict[str, object]:
    """Return the metrics and parameters that the pipeline wants in the registry, by short names."""
    measured = {path: metrics.measures.get(path) for path in pipeline.metric_paths}
    called = names(pipeline.metric_paths)
    return {
        **{
            naming.metadata_key(name): params[name]
            for name in pipeline.parameter_names
            if name in params
        },
        **{
            naming.metadata_key(called[path]): measure.value
            for path, measure in measured.items()
            if measure
        },
    }
