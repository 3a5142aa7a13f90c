"""Past runs: what they left on S3 and in the registry, written by the library itself."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from retraining import (
    GreaterThanOrEqualTo,
    Image,
    LessThanOrEqualTo,
    Metric,
    Parameter,
    Pipeline,
    naming,
)
from retraining.gate import decision
from retraining.registry import requests, versions
from retraining.runs import records

from local_stack.services.environment import BUCKET, ROLE_ARN
from local_stack.services.environment import SKLEARN_IMAGE_URI as IMAGE_URI
from tests.web.stack import PIPELINE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

DAG = "california_housing_retraining"
SHELLS_DAG = "abalone_retraining"
_PACKAGES = "arn:aws:sagemaker:us-east-1:123456789012:model-package"


@dataclass(frozen=True, eq=False, slots=True)
class Kind:
    """A pipeline's runs, as far as they are alike.

    Attributes:
        pipeline: The declaration.
        dag_id: The DAG.
        parameters: What the runs were given.
        spread: The headline's standard deviation.
        others: What else evaluation finds, beside the headline.
        pictured: What of the report is drawn.
    """

    pipeline: Pipeline
    dag_id: str
    parameters: Mapping[str, float | str]
    spread: float
    others: Mapping[str, object]
    pictured: Mapping[str, object] = field(default_factory=dict)

    @property
    def limit(self) -> float:
        """What the gate compares the headline with."""
        return float(self.parameters[self.pipeline.parameter_names[0]])

    def report(self, value: float | None) -> dict[str, object]:
        """Return a report with this headline; None makes one that cannot be judged."""
        section, _, name = self.pipeline.shown_by.metric.partition(".")
        headline = {"value": value, "standard_deviation": self.spread}
        rows = {"snapshot": 20_640, "train": 16_512, "validation": 0, "test": 4_128}
        return {section: {**self.others, name: headline}, "rows": rows, **self.pictured}


_IMAGE = Image("sklearn", "1.4-2-py312")
_R2 = Metric("regression_metrics.r2_score")
_MSE = Metric("regression_metrics.mse")
_ACCURACY = Metric("multiclass_classification_metrics.accuracy")
HOUSES = Kind(
    Pipeline(
        name=PIPELINE,
        description="houses",
        image=_IMAGE,
        policy=(GreaterThanOrEqualTo(_R2, Parameter("r2_threshold")),),
        headline=_R2,
        better="higher",
        metadata_parameters=("features",),
        plots=("predicted_against_actual", "residuals"),
    ),
    DAG,
    {"r2_threshold": 0.6, "features": "engineered"},
    0.01,
    {"mse": {"value": 0.36, "standard_deviation": 0.01}},
)
# The less the better, and nothing else in common but one name of a metric.
SHELLS = Kind(
    Pipeline(
        name="abalone",
        description="shells",
        image=_IMAGE,
        policy=(LessThanOrEqualTo(_MSE, Parameter("mse_threshold")),),
        headline=_MSE,
        better="lower",
        plots=("predicted_against_actual", "residuals"),
    ),
    SHELLS_DAG,
    {"mse_threshold": 6.0},
    0.2,
    {"rmse": {"value": 2.2}, "mae": {"value": 1.6, "standard_deviation": 0.04}},
)
# The same pipeline when it told the sex of a shell.
SEXES = Kind(
    Pipeline(
        name="abalone",
        description="shells",
        image=_IMAGE,
        policy=(GreaterThanOrEqualTo(_ACCURACY, Parameter("least_accuracy")),),
        headline=_ACCURACY,
        better="higher",
        plots=("confusion_matrix",),
    ),
    SHELLS_DAG,
    {"least_accuracy": 0.5},
    0.01,
    {"recall": {"value": float("nan")}},
)


@dataclass(frozen=True, slots=True)
class Past:
    """A run that has been.

    Attributes:
        run_id: Its id.
        snapshot: The date of its data.
        value: The headline that evaluation found; None makes a report without it.
        run_type: scheduled, manual or backfill.
        state: Of the DAG run.
        is_judged: Whether it got as far as the gate.
        kind: Whose run.
        is_old: Whether it is from before records and versions told of their pipeline.
    """

    run_id: str
    snapshot: str
    value: float | None = 0.7
    run_type: str = "scheduled"
    state: str = "success"
    is_judged: bool = True
    kind: Kind = HOUSES
    is_old: bool = False

    @property
    def uri(self) -> str:
        """Return the run's folder."""
        return naming.run_uri(BUCKET, self.kind.pipeline.name, self.snapshot, self.run_id)

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
        arn = f"{_PACKAGES}/{self.kind.pipeline.name}/{version}"
        registered = {"model_package_arn": arn, "version": version}
        return {
            "dag_id": self.kind.dag_id,
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
        is_higher = self.kind.pipeline.better == "higher"
        limit = self.kind.limit
        is_good = self.value is not None and (self.value >= limit) == is_higher
        sign = {(True, True): "≥", (True, False): "<", (False, True): "≤", (False, False): ">"}
        name = self.kind.pipeline.shown_by.name
        return f"{name} {self.value} {sign[is_higher, is_good]} {limit}"

    def write(self, s3: Any, *, predictions: str = "") -> None:
        """Write its report, its predictions and, by way of the gate, its decision record."""
        if not self.is_judged:
            return
        told, parameters = self.kind.pipeline, self.kind.parameters
        report = json.dumps(self.kind.report(self.value)).encode()
        bucket, key = naming.split_s3_uri(naming.report_uri(self.uri))
        s3.put_object(Bucket=bucket, Key=key, Body=report)
        if predictions:
            bucket, key = naming.split_s3_uri(naming.predictions_uri(self.uri))
            s3.put_object(Bucket=bucket, Key=key, Body=predictions.encode())
        found = records.read_report(s3, self.uri)
        uri = records.write_decision(
            s3,
            self.uri,
            decision=decision.decide(found.content, told.policy, parameters=parameters),
            report=found,
            pipeline=told.to_record(),
            parameters=parameters,
            run={
                "run_id": self.run_id,
                "dag_id": self.kind.dag_id,
                "snapshot": self.snapshot,
                "snapshot_uri": naming.snapshot_uri(BUCKET, told.name, self.snapshot),
                "data_fingerprint": "f" * 64,
                "code_sha256": "c" * 64,
                "image_uri": IMAGE_URI,
            },
        )
        if self.is_old:
            record = records.read_decision(s3, self.uri)
            bucket, key = naming.split_s3_uri(uri)
            newer = {"schema", "pipeline", "parameters"}
            kept = {name: record[name] for name in record if name not in newer}
            s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(kept).encode())

    def register(self, s3: Any, sagemaker: Any, *, since: datetime) -> versions.Version:
        """Register it, as `register_model` does."""
        told = self.kind.pipeline
        versions.ensure_group(sagemaker, told.name, description=told.description)
        mark = naming.fingerprint(self.run_id)
        headline = {versions.HEADLINE: told.shown_by.metric, versions.BETTER: told.better}
        version = versions.register_once(
            sagemaker,
            requests.model_package(
                pipeline=told,
                image_uri=IMAGE_URI,
                model_uri=f"s3://{BUCKET}/model.tar.gz",
                report_uri=naming.report_uri(self.uri),
                approval_status="PendingManualApproval",
                description=f"snapshot {self.snapshot}",
                metadata={
                    versions.FINGERPRINT: mark,
                    versions.SNAPSHOT: self.snapshot,
                    "run_id": self.run_id,
                    told.shown_by.name: self.value,
                    **({} if self.is_old else headline),
                },
                git_commit=None,
                client_token=naming.client_token(mark),
            ),
            since=since,
        )
        records.add_registration(
            s3, self.uri, arn=version.arn, version=version.number, report_etag=""
        )
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
