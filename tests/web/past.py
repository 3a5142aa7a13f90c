"""Past runs: what they left on S3 and in the registry, written by the library itself."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from retraining import naming
from retraining.gate import decision
from retraining.gate.conditions import GreaterThanOrEqualTo, Metric, Parameter
from retraining.registry import requests, versions
from retraining.runs import records

from local_stack.services.environment import BUCKET, PIPELINE, ROLE_ARN
from local_stack.services.environment import SKLEARN_IMAGE_URI as IMAGE_URI

if TYPE_CHECKING:
    from datetime import datetime

POLICY = (GreaterThanOrEqualTo(Metric("regression_metrics.r2_score"), Parameter("r2_threshold")),)
DAG = "california_housing_retraining"
_PACKAGES = f"arn:aws:sagemaker:us-east-1:123456789012:model-package/{PIPELINE}"


@dataclass(frozen=True, slots=True)
class Past:
    """A run that has been.

    Attributes:
        run_id: Its id.
        snapshot: The date of its data.
        r2: What evaluation found; None makes a report without it.
        run_type: scheduled, manual or backfill.
        state: Of the DAG run.
        is_judged: Whether it got as far as the gate.
    """

    run_id: str
    snapshot: str
    r2: float | None = 0.7
    run_type: str = "scheduled"
    state: str = "success"
    is_judged: bool = True

    @property
    def uri(self) -> str:
        """Return the run's folder."""
        return naming.run_uri(BUCKET, PIPELINE, self.snapshot, self.run_id)

    def seed(
        self,
        jobs: dict[str, str] | None = None,
        *,
        version: int | None = None,
        failure: tuple[str, str] | None = None,
    ) -> dict[str, Any]:
        """Return it as `seed.py` takes it.

        Args:
            jobs: The ARN of the job of each task that had one.
            version: What the run registered.
            failure: The task that failed, and why.
        """
        registered = {"model_package_arn": f"{_PACKAGES}/{version}", "version": version}
        return {
            "dag_id": DAG,
            "run_id": self.run_id,
            "run_type": self.run_type,
            "state": self.state,
            "run_after": f"{self.snapshot}T02:00:00+00:00",
            "xcoms": [
                ["resolve_run", "snapshot", self.snapshot],
                *([["check_quality", naming.VERDICT_XCOM, self.line]] if self.is_judged else []),
                *([["register_model", "return_value", registered]] if version else []),
                *([[failure[0], naming.FAILURE_XCOM, failure[1]]] if failure else []),
                *(
                    [task, "return_value", {"job_arn": arn, "job_name": arn.rpartition("/")[2]}]
                    for task, arn in (jobs or {}).items()
                ),
            ],
        }

    @property
    def line(self) -> str:
        """Return what the gate's task said."""
        sign = "<" if self.r2 is None or self.r2 < 0.6 else "≥"
        return f"r2_score {self.r2} {sign} 0.6"

    def write(self, s3: Any, *, predictions: str = "") -> None:
        """Write its report, its predictions and, by way of the gate, its decision record."""
        if not self.is_judged:
            return
        metrics = {
            "mse": {"value": 0.36, "standard_deviation": 0.01},
            "r2_score": {"value": self.r2, "standard_deviation": 0.01},
        }
        rows = {"snapshot": 20_640, "train": 16_512, "validation": 0, "test": 4_128}
        report = {"regression_metrics": metrics, "rows": rows, "features": "engineered"}
        bucket, key = naming.split_s3_uri(naming.report_uri(self.uri))
        s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(report).encode())
        if predictions:
            bucket, key = naming.split_s3_uri(naming.predictions_uri(self.uri))
            s3.put_object(Bucket=bucket, Key=key, Body=predictions.encode())
        found = records.read_report(s3, self.uri)
        records.write_decision(
            s3,
            self.uri,
            decision=decision.decide(found.content, POLICY, parameters={"r2_threshold": 0.6}),
            report=found,
            run={
                "run_id": self.run_id,
                "dag_id": DAG,
                "snapshot": self.snapshot,
                "snapshot_uri": naming.snapshot_uri(BUCKET, PIPELINE, self.snapshot),
                "data_fingerprint": "f" * 64,
                "code_sha256": "c" * 64,
                "image_uri": IMAGE_URI,
            },
        )

    def register(self, s3: Any, sagemaker: Any, *, since: datetime) -> versions.Version:
        """Register it, as `register_model` does."""
        versions.ensure_group(sagemaker, PIPELINE, description="houses")
        mark = naming.fingerprint(self.run_id)
        version = versions.register_once(
            sagemaker,
            requests.model_package(
                group=PIPELINE,
                image_uri=IMAGE_URI,
                model_uri=f"s3://{BUCKET}/model.tar.gz",
                report_uri=naming.report_uri(self.uri),
                approval_status="PendingManualApproval",
                description=f"snapshot {self.snapshot}",
                realtime_instance_types=["ml.m5.large"],
                transform_instance_types=["ml.m5.large"],
                metadata={
                    versions.FINGERPRINT: mark,
                    versions.SNAPSHOT: self.snapshot,
                    "run_id": self.run_id,
                    "r2_score": self.r2,
                },
                git_commit=None,
                client_token=naming.client_token(mark),
            ),
            since=since,
        )
        records.add_registration(s3, self.uri, arn=version.arn, version=version.number)
        return version


def serve(sagemaker: Any, version: versions.Version) -> None:
    """Let an endpoint of the pipeline's name serve a version; it starts in the background."""
    name = f"{PIPELINE}-v{version.number}-00000000"
    sagemaker.create_model(
        ModelName=name,
        PrimaryContainer={"ModelPackageName": version.arn},
        ExecutionRoleArn=ROLE_ARN,
    )
    sagemaker.create_endpoint_config(
        EndpointConfigName=name,
        ProductionVariants=[
            {
                "VariantName": "all",
                "ModelName": name,
                "ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 1},
            }
        ],
    )
    sagemaker.create_endpoint(EndpointName=PIPELINE, EndpointConfigName=name)
