from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from retraining import naming
from retraining.approval import question
from retraining.approval.question import APPROVE, REJECT, DecidedOtherwiseError
from retraining.registry import requests, versions
from retraining.runs.outcomes import BrokenRecordError

from tests.retraining.declarations import pipeline

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


def report_of(r2: float) -> dict[str, Any]:
    return {
        "regression_metrics": {
            "r2_score": {"value": r2, "standard_deviation": 0.01},
            "rmse": {"value": 0.5},
        },
        "rows": {"test": 4128},
    }


def declared(metric: str, better: str) -> dict[str, Any]:
    return {"pipeline": {"name": GROUP, "headline": {"metric": metric, "better": better}}}


def register(
    clients: tuple[Any, Any],
    mark: str,
    r2: float = 0.7,
    *,
    report: object = None,
    **decision: object,
) -> Version:
    sagemaker, s3 = clients
    run = naming.run_uri(BUCKET, GROUP, "2026-11-20", mark)
    said = {"verdict": "pass", "explanation": f"r2_score = {r2} is ≥ 0.6", **decision}
    found = report_of(r2) if report is None else report
    for uri, content in ((naming.report_uri(run), found), (naming.decision_uri(run), said)):
        bucket, key = naming.split_s3_uri(uri)
        s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(content).encode())
    request = requests.model_package(
        pipeline=pipeline(GROUP),
        image_uri=IMAGE,
        model_uri=f"{run}model.tar.gz",
        report_uri=naming.report_uri(run),
        approval_status="PendingManualApproval",
        description="a model",
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
    text = question.question(*clients, version, group=GROUP, endpoint_name="of-nobody")
    lines = text.splitlines()
    assert lines[0] == f"|  | version {version.number}, new |"
    assert "| snapshot | 2026-11-20 |" in lines
    assert "| r2_score | 0.72 |" in lines
    assert "The gate: **pass**, r2_score = 0.72 is ≥ 0.6." in lines
    assert f"* report: `{version.report_uri}`" in lines
    assert "* `of-nobody` serves no registered version yet" in lines


def test_the_question_says_who_has_registered_it_against_the_gate(clients: Any) -> None:
    word = {"by": "ada", "reason": "for\nthe demo"}
    version = register(clients, "against", verdict="reject", against_gate=word)
    text = question.question(*clients, version, group=GROUP, endpoint_name="of-nobody")
    assert "The gate: **reject**" in text
    assert "It is registered all the same, by ada: for the demo." in text.splitlines()


def serve(clients: tuple[Any, Any], name: str, version: Version) -> None:
    """Let an endpoint of this name serve a version, or try to."""
    sagemaker, s3 = clients
    versions.approve(sagemaker, version.arn, reason="x")
    bucket, key = naming.split_s3_uri(version.containers[0]["ModelDataUrl"])
    s3.put_object(Bucket=bucket, Key=key, Body=b"not an archive: the endpoint will fail")
    sagemaker.create_model(
        ModelName=name,
        PrimaryContainer={"ModelPackageName": version.arn},
        ExecutionRoleArn=ROLE,
    )
    variant = {
        "VariantName": "x",
        "ModelName": name,
        "ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 1},
    }
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)


def test_what_serves_now_stands_beside_it(clients: Any) -> None:
    _, s3 = clients
    old, new = register(clients, "old", 0.65), register(clients, "new", 0.72)
    serve(clients, "beside", old)
    text = question.question(*clients, new, group=GROUP, endpoint_name="beside")
    assert f"|  | version {new.number}, new | version {old.number}, serves now |" in text
    assert "| r2_score | 0.72 | 0.65 |" in text
    # Its report is gone; the question is asked all the same.
    bucket, key = naming.split_s3_uri(old.report_uri)
    s3.delete_object(Bucket=bucket, Key=key)
    text = question.question(*clients, new, group=GROUP, endpoint_name="beside")
    assert "| r2_score | 0.72 | unknown |" in text


def test_the_headline_stands_first_and_says_which_version_is_better(clients: Any) -> None:
    lower = declared("regression_metrics.mse", "lower")
    reports = [{"regression_metrics": {"mae": 1.5, "mse": {"value": mse}}} for mse in (4.9, 4.5)]
    old = register(clients, "mse 4.9", report=reports[0], **lower)
    new = register(clients, "mse 4.5", report=reports[1], **lower)
    serve(clients, "by-mse", old)
    lines = question.question(*clients, new, group=GROUP, endpoint_name="by-mse").splitlines()
    assert lines[2:5] == [
        "| snapshot | 2026-11-20 | 2026-11-20 |",
        "| **mse**, lower is better | **4.5** | **4.9** |",
        "| mae | 1.5 | 1.5 |",
    ]
    assert "By mse, of which lower is better, **the new version is better**." in lines
    worse = question.question(*clients, old, group=GROUP, endpoint_name="by-mse")
    assert "By mse both are the same." in worse
    higher = declared("regression_metrics.mse", "higher")
    other = register(clients, "more is better", report=reports[1], **higher)
    text = question.question(*clients, other, group=GROUP, endpoint_name="by-mse")
    assert "By mse, of which higher is better, **the version that serves is better**." in text


def test_what_is_no_number_is_shown_as_what_it_is(clients: Any) -> None:
    report = {
        "train_metrics": {"accuracy": 0.99},
        "test_metrics": {"accuracy": float("nan"), "ok": True, "a|b\nc": 0.5},
        "multiclass_classification_metrics": {"confusion_matrix": {"a": {"a": 9, "b": 1}}},
    }
    version = register(
        clients, "no number", report=report, explanation="a\nb",
        **declared("test_metrics.accuracy", "higher"),
    )  # fmt: skip
    lines = question.question(
        *clients, version, group=GROUP, endpoint_name="of-nobody"
    ).splitlines()
    assert lines[3:7] == [
        "| **test_metrics.accuracy**, higher is better | **NaN** |",
        "| train_metrics.accuracy | 0.99 |",
        "| a\\|b c | 0.5 |",
        "| ok | a truth value |",
    ]
    assert "confusion" not in "".join(lines)
    assert "is better**." not in "".join(lines)
    assert "The gate: **pass**, a b." in lines


@pytest.mark.parametrize("report", [{"mse": 4.9, "r2": 0.5}, [1], "x", {"mse": {"value": None}}])
def test_a_report_of_any_shape_is_shown(clients: Any, report: Any) -> None:
    version = register(clients, f"shape {report}", report=report, **declared("mse", "lower"))
    text = question.question(*clients, version, group=GROUP, endpoint_name="of-nobody")
    assert "| **mse**, lower is better | **" in text
    assert ("| r2 | 0.5 |" in text) == ("r2" in report)


def test_very_many_metrics_are_counted(clients: Any) -> None:
    report = {"some_metrics": {f"m{number}": number for number in range(50)}}
    version = register(clients, "many", report=report)
    text = question.question(*clients, version, group=GROUP, endpoint_name="of-nobody")
    assert "| and 30 more | in its report |" in text


def test_a_decision_that_is_none_is_told_with_its_place(clients: Any) -> None:
    version = register(clients, "broken", verdict="maybe")
    with pytest.raises(BrokenRecordError, match=r"^s3://approvals/.*decision.json: its verdict"):
        question.question(*clients, version, group=GROUP, endpoint_name="of-nobody")


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
