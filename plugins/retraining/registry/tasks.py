"""The task that registers a model. It takes its DAG run's context by name."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from retraining import naming
from retraining.aws import clients
from retraining.registry import assets, requests, versions
from retraining.runs import kinds, records
from retraining.settings import settings

if TYPE_CHECKING:
    from collections.abc import Mapping

log = logging.getLogger(__name__)


def register_model(
    *,
    pipeline: str,
    description: str,
    run: Mapping[str, str],
    training: Mapping[str, str],
    params: Mapping[str, Any],
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
