from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from retraining import naming
from retraining.approval import question
from retraining.approval.question import APPROVE, REJECT, DecidedOtherwiseError
from retraining.jobs import requests
from retraining.registry import versions

if TYPE_CHECKING:
    from retraining.registry.versions import Version

BUCKET = "approvals"
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-py312-cpu-py3"
ROLE = "arn:aws:iam::123456789012:role/retraining"
GROUP = "to-be-approved"


@pytest.fixture(scope="module")
def clients(embedded_sagemaker: Any) -> tuple[Any, Any]:
    sagemaker, s3 = embedded_sagemaker.client("sagemaker"), embedded_sagemaker.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    versions.ensure_group(sagemaker, GROUP, description="x")
    return sagemaker, s3


def register(clients: tuple[Any, Any], mark: str, r2: float) -> Version:
    sagemaker, s3 = clients
    run = naming.run_uri(BUCKET, GROUP, "2026-11-20", mark)
    report = {
        "regression_metrics": {
            "r2_score": {"value": r2, "standard_deviation": 0.01},
            "rmse": {"value": 0.5},
        },
        "rows": {"test": 4128},
    }
    decision = {"verdict": "pass", "explanation": f"r2_score = {r2} is ≥ 0.6"}
    for uri, content in ((naming.report_uri(run), report), (naming.decision_uri(run), decision)):
        bucket, key = naming.split_s3_uri(uri)
        s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(content).encode())
    request = requests.model_package(
        group=GROUP,
        image_uri=IMAGE,
        model_uri=f"{run}model.tar.gz",
        report_uri=naming.report_uri(run),
        approval_status="PendingManualApproval",
        description="a model",
        realtime_instance_types=["ml.m5.large"],
        transform_instance_types=["ml.m5.large"],
        metadata={versions.FINGERPRINT: mark, versions.SNAPSHOT: "2026-11-20"},
        git_commit=None,
        client_token=naming.client_token(mark),
    )
    return versions.register_once(sagemaker, request, since=datetime.now(UTC) - timedelta(hours=1))


def answer(clients: tuple[Any, Any], version: Version, choice: str, who: str = "Ada") -> Version:
    return question.answer(
        clients[0], version.arn, choice, who=who, why="looks\ngood", where="run r"
    )


def test_the_question_shows_the_evaluation_and_the_gates_reason(clients: Any) -> None:
    version = register(clients, "question", 0.72)
    text = question.question(*clients, version, endpoint_name="of-nobody")
    lines = text.splitlines()
    assert lines[0] == f"|  | version {version.number}, new |"
    assert "| snapshot | 2026-11-20 |" in lines
    assert "| r2_score | 0.72 |" in lines
    assert "The gate: **pass**, r2_score = 0.72 is ≥ 0.6." in lines
    assert f"* report: `{version.report_uri}`" in lines
    assert "* `of-nobody` serves no registered version yet" in lines


def test_what_serves_now_stands_beside_it(clients: Any) -> None:
    sagemaker, s3 = clients
    old, new = register(clients, "old", 0.65), register(clients, "new", 0.72)
    versions.approve(sagemaker, old.arn, reason="x")
    bucket, key = naming.split_s3_uri(old.containers[0]["ModelDataUrl"])
    s3.put_object(Bucket=bucket, Key=key, Body=b"not an archive: the endpoint will fail")
    sagemaker.create_model(
        ModelName="beside",
        PrimaryContainer={"ModelPackageName": old.arn},
        ExecutionRoleArn=ROLE,
    )
    variant = {
        "VariantName": "x",
        "ModelName": "beside",
        "ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 1},
    }
    sagemaker.create_endpoint_config(EndpointConfigName="beside", ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName="beside", EndpointConfigName="beside")
    text = question.question(*clients, new, endpoint_name="beside")
    assert f"|  | version {new.number}, new | version {old.number}, serves now |" in text
    assert "| r2_score | 0.72 | 0.65 |" in text
    # Its report is gone; the question is asked all the same.
    bucket, key = naming.split_s3_uri(old.report_uri)
    s3.delete_object(Bucket=bucket, Key=key)
    text = question.question(*clients, new, endpoint_name="beside")
    assert "| r2_score | 0.72 | unknown |" in text


def test_an_answer_is_written_with_who_and_why(clients: Any) -> None:
    version = register(clients, "answered", 0.7)
    for _ in range(2):
        version = answer(clients, version, APPROVE)
        assert version.approval == versions.APPROVED
        assert version.approval_reason == "Approved by Ada in Airflow, run r: looks good"
    other = answer(clients, register(clients, "refused", 0.7), REJECT)
    assert other.approval == versions.REJECTED


def test_the_first_decision_stands(clients: Any) -> None:
    version = register(clients, "decided", 0.7)
    versions.reject(clients[0], version.arn, reason="by the committee")
    with pytest.raises(DecidedOtherwiseError, match="by the committee"):
        answer(clients, version, APPROVE)
    assert versions.describe(clients[0], version.arn).approval == versions.REJECTED


def test_opposite_answers_at_once_leave_one_decision(clients: Any) -> None:
    version = register(clients, "at once", 0.7)

    def say(choice: str) -> str:
        try:
            return answer(clients, version, choice, choice).approval
        except DecidedOtherwiseError:
            return "refused"

    with ThreadPoolExecutor(4) as pool:
        said = set(pool.map(say, [APPROVE, REJECT] * 2))
    stands = versions.describe(clients[0], version.arn)
    assert stands.approval in said
    assert stands.approval_reason.startswith(f"{stands.approval} by ")


def test_metrics_are_found_however_deep_they_lie() -> None:
    report = {"a": {"b": {"value": 1}, "c": {"d": {"value": 2.5, "x": 1}}}, "rows": 3, "e": [1]}
    assert question.metrics(report) == {"b": 1.0, "d": 2.5}
    assert question.metrics(None) == {}
