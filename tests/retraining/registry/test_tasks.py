"""The task that registers: what of a declaration, a report and a run goes into the registry."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException
from retraining import LessThan, Metric, Parameter, naming
from retraining.pipeline import OWN_METADATA
from retraining.registry import tasks
from retraining.runs import records

from tests.retraining.declarations import pipeline

BUCKET = "registered"
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-py312-cpu-py3"


@pytest.fixture(scope="module")
def aws(become_a_task: Any, embedded_sagemaker: Any) -> Any:
    become_a_task(RETRAINING_BUCKET=BUCKET)
    s3 = embedded_sagemaker.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key="model.tar.gz", Body=b"x")
    return embedded_sagemaker


class Events(dict[Any, Any]):
    """Stands for Airflow's accessor: keeps what is added to an outlet."""

    def __missing__(self, alias: Any) -> Any:
        return SimpleNamespace(add=lambda asset, extra: self.__setitem__(asset.name, extra))


def register(
    aws: Any, declared: Any, report: object, *, events: Events | None = None, **changes: Any
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Register a run's model; return what the task returns, and the version."""
    s3 = aws.client("s3")
    uri = naming.run_uri(BUCKET, declared.name, "2026-11-20", "r")
    run = {
        "run_uri": uri, "snapshot": "2026-11-20", "inference_image_uri": IMAGE,
        "code_sha256": "c" * 64, "data_fingerprint": "d" * 64,
    }  # fmt: skip
    for target, content in ((naming.report_uri(uri), report), (naming.decision_uri(uri), {})):
        bucket, key = naming.split_s3_uri(target)
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        s3.put_object(Bucket=bucket, Key=key, Body=body)
    params = {
        "approval_status": "PendingManualApproval",
        "backfill_approval_status": "Rejected",
        "least": 0.5,
        "most": 9,
        "kind": "wide, and (odd)",
    }
    returned = tasks.register_model(
        pipeline=declared,
        run=run,
        training={"model_uri": f"s3://{BUCKET}/model.tar.gz", "job_name": "train-1"},
        params=params | changes.pop("params", {}),
        dag_run=SimpleNamespace(
            run_id="r",
            dag_id="d",
            run_type=changes.pop("run_type", "manual"),
            run_after=datetime.now(tz=UTC) - timedelta(hours=1),
        ),
        outlet_events=Events() if events is None else events,
    )
    described = aws.client("sagemaker").describe_model_package(
        ModelPackageName=returned["model_package_arn"]
    )
    return returned, described


SCORE, ERROR = Metric("scores_metrics.score"), Metric("test_metrics[0]['mean.error']")
REPORT = {
    "scores_metrics": {"score": {"value": 0.75, "standard_deviation": 0.1}, "bad": None},
    "test_metrics": [{"mean.error": 4.9, "score": 0.5}],
}


def test_a_version_says_what_its_pipeline_declares(aws: Any) -> None:
    declared = pipeline(
        "declares",
        policy=(LessThan(ERROR, Parameter("most")),),
        headline=ERROR,
        better="lower",
        entry_point=None,
        content_types=("application/json",),
        response_types=("application/json", "text/csv"),
        metadata_parameters=("kind", "unset"),
        metadata_metrics=("scores_metrics.score.value", "test_metrics[0].score", "nowhere"),
        tolerance=0.01,
    )
    returned, version = register(aws, declared, REPORT)
    headline = {"metric": "test_metrics[0]['mean.error']", "value": 4.9}
    assert returned["headline"] == headline
    assert version["ModelPackageDescription"].startswith("snapshot 2026-11-20, mean.error 4.9")
    specification = version["InferenceSpecification"]
    assert specification["SupportedContentTypes"] == ["application/json"]
    assert specification["SupportedResponseMIMETypes"] == ["application/json", "text/csv"]
    assert specification["Containers"][0]["Environment"] == {
        "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT": "application/json"
    }
    metadata = version["CustomerMetadataProperties"]
    # Two metrics have one last name, and keep their paths, in the registry's alphabet.
    assert metadata["scores_metrics.score"] == "0.75"
    assert metadata["test_metrics_0_.score"] == "0.5"
    assert metadata["mean.error"] == "4.9"
    assert (metadata["most"], metadata["kind"]) == ("9", "wide_ and _odd_")
    assert (metadata["better"], metadata["tolerance"]) == ("lower", "0.01")
    # What a declaration may not call its metrics and parameters.
    mine = {"scores_metrics.score", "test_metrics_0_.score", "mean.error", "most", "kind"}
    assert set(metadata) - mine == OWN_METADATA
    assert "nowhere" not in metadata
    assert "unset" not in metadata


def test_a_version_has_the_metric_that_its_run_has_chosen(aws: Any) -> None:
    declared = pipeline("chooses", policy=(LessThan(Metric(Parameter("which")), 9),))
    _, version = register(aws, declared, REPORT, params={"which": ERROR.path})
    metadata = version["CustomerMetadataProperties"]
    assert (metadata["mean.error"], metadata["score"]) == ("4.9", "0.75")
    assert metadata["which"] == "test_metrics_0___mean.error__"


def test_whatever_metrics_and_parameters_are_called_the_registry_takes_it(
    aws: Any,
) -> None:
    odd = "line\nof " + "x" * 2_000
    metric = Metric(f"metrics['{odd}']")
    declared = pipeline(
        "odd-names",
        policy=(LessThan(metric, Parameter("at most (%)")),),
        headline=metric,
        metadata_parameters=("nothing", "a lot"),
    )
    params = {"at most (%)": 9, "nothing": math.nan, "a lot": 10**5_000}
    _, version = register(aws, declared, {"metrics": {odd: 4.5}}, params=params)
    metadata = version["CustomerMetadataProperties"]
    assert metadata[f"line_of {'x' * 120}"] == "4.5"
    assert metadata["at most ___"] == "9"
    assert (metadata["nothing"], metadata["a lot"]) == ("NaN", "too large a number")
    assert version["ModelPackageDescription"].startswith("snapshot 2026-11-20, line\\nof xxx")


def test_a_report_without_the_headline_registers_without_it(aws: Any) -> None:
    returned, version = register(aws, pipeline("no-headline"), {"scores_metrics": {"other": 1}})
    assert returned["headline"] is None
    assert version["ModelPackageDescription"].startswith("snapshot 2026-11-20, registration")


def test_twice_is_once_and_the_decision_names_the_version(aws: Any) -> None:
    declared = pipeline("twice-registered")
    first, _ = register(aws, declared, REPORT)
    second, _ = register(aws, declared, REPORT)
    assert first == second
    record = records.read_decision(
        aws.client("s3"), naming.run_uri(BUCKET, "twice-registered", "2026-11-20", "r")
    )
    assert record["registered"] == {
        "model_package_arn": first["model_package_arn"],
        "version": 1,
    }


def test_only_an_approved_version_is_announced(aws: Any) -> None:
    events = Events()
    register(aws, pipeline("pending"), REPORT, events=events)
    assert events == {}
    returned, _ = register(
        aws, pipeline("approved"), REPORT, events=events, params={"approval_status": "Approved"}
    )
    assert events == {
        "approved-approved-models": {
            "model_package_arn": returned["model_package_arn"],
            "version": 1,
            "snapshot": "2026-11-20",
            "headline": {"metric": "scores_metrics.score", "value": 0.75},
        }
    }


def test_a_backfills_version_starts_as_its_own_parameter_says(aws: Any) -> None:
    _, version = register(
        aws,
        pipeline("backfilled"),
        REPORT,
        run_type="backfill",
        params={"approval_status": "Approved"},
    )
    assert version["ModelApprovalStatus"] == "Rejected"


def test_a_report_that_is_not_json_any_more_registers_nothing(aws: Any) -> None:
    with pytest.raises(AirflowFailException, match=r"/evaluation\.json is not what the gate has"):
        register(aws, pipeline("broken-report"), b"{")
    found = aws.client("sagemaker").list_model_packages(ModelPackageGroupName="broken-report")
    assert found["ModelPackageSummaryList"] == []
