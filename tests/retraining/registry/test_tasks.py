"""The task that registers: what of a declaration, a report and a run goes into the registry."""

from __future__ import annotations

import json
import math
import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk.exceptions import AirflowFailException
from retraining import LessThan, Metric, Parameter, naming
from retraining.pipeline import OWN_METADATA
from retraining.registry import tasks, versions
from retraining.runs import records
from retraining.runs import tasks as run_tasks

from tests.retraining.declarations import pipeline

if TYPE_CHECKING:
    from collections.abc import Callable

BUCKET = "registered"
MODEL = f"s3://{BUCKET}/model.tar.gz"
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


PARAMS = {
    "approval_status": "PendingManualApproval",
    "backfill_approval_status": "Rejected",
    "least": 0.5,
    "most": 9,
    "kind": "wide, and (odd)",
}


def run_of(declared: Any) -> dict[str, str]:
    return {
        "run_uri": naming.run_uri(BUCKET, declared.name, "2026-11-20", "r"),
        "snapshot": "2026-11-20", "inference_image_uri": IMAGE,
        "code_sha256": "c" * 64, "data_fingerprint": "d" * 64,
    }  # fmt: skip


def put(aws: Any, uri: str, content: object) -> None:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    bucket, key = naming.split_s3_uri(uri)
    aws.client("s3").put_object(Bucket=bucket, Key=key, Body=body)


def dag_run(run_type: str = "manual", user: str | None = None) -> Any:
    return SimpleNamespace(
        run_id="r",
        dag_id="d",
        run_type=run_type,
        run_after=datetime.now(tz=UTC) - timedelta(hours=1),
        triggering_user_name=user,
    )


def judge(
    aws: Any, declared: Any, report: object, *, params: dict[str, Any], of: Any = None
) -> str:
    """Let the gate judge a run's report; return the branch that it chooses."""
    put(aws, naming.report_uri(run_of(declared)["run_uri"]), report)
    return run_tasks.check_quality(
        pipeline=declared,
        run=run_of(declared),
        passed="register_model",
        rejected="skip_registration",
        params=PARAMS | params,
        dag_run=of or dag_run(),
        ti=SimpleNamespace(xcom_push=lambda *_: None),
    )


def register_only(
    aws: Any, declared: Any, *, params: dict[str, Any], of: Any = None, events: Any = None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Do what the task does; return what it returns, and the version."""
    returned = tasks.register_model(
        pipeline=declared,
        run=run_of(declared),
        training={"model_uri": MODEL, "job_name": "train-1"},
        params=PARAMS | params,
        dag_run=of or dag_run(),
        outlet_events=Events() if events is None else events,
    )
    described = aws.client("sagemaker").describe_model_package(
        ModelPackageName=returned["model_package_arn"]
    )
    return returned, described


def register(
    aws: Any, declared: Any, report: object, *, events: Events | None = None, **changes: Any
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Register a run's model that the gate lets pass."""
    params, of = changes.get("params", {}), dag_run(changes.get("run_type", "manual"))
    judge(aws, declared, report, params=params, of=of)
    return register_only(aws, declared, params=params, of=of, events=events)


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
    assert set(metadata) - mine == OWN_METADATA - {versions.AGAINST_GATE, versions.DATA_DIFFERS}
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
    declared = pipeline("no-headline", policy=(LessThan(Metric("scores_metrics.other"), 2),))
    returned, version = register(aws, declared, {"scores_metrics": {"other": 1}})
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
    # A clear has trained another model: the version has the first, and is said not to be judged.
    again, _ = register(aws, declared, {"scores_metrics": {"score": 0.76}})
    assert again["model_package_arn"] == first["model_package_arn"]
    found = records.objection(aws.client("s3"), run_of(declared)["run_uri"])
    assert found is not None
    assert "has written another report since" in found


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


GOOD, BAD = {"scores_metrics": {"score": 0.75}}, {"scores_metrics": {"score": 0.4}}


def rejected(aws: Any, declared: Any) -> None:
    assert judge(aws, declared, BAD, params={}) == "skip_registration"


def undecidable(aws: Any, declared: Any) -> None:
    with pytest.raises(AirflowFailException):
        judge(aws, declared, b'{"scores_metrics": {"score": NaN}}', params={})


def passed(aws: Any, declared: Any) -> None:
    assert judge(aws, declared, GOOD, params={}) == "register_model"


def without_decision(aws: Any, declared: Any) -> None:
    put(aws, naming.report_uri(run_of(declared)["run_uri"]), GOOD)


def with_another_report(aws: Any, declared: Any) -> None:
    passed(aws, declared)
    put(aws, naming.report_uri(run_of(declared)["run_uri"]), {"scores_metrics": {"score": 0.9}})


def without_report(aws: Any, declared: Any) -> None:
    passed(aws, declared)
    bucket, key = naming.split_s3_uri(naming.report_uri(run_of(declared)["run_uri"]))
    aws.client("s3").delete_object(Bucket=bucket, Key=key)


def by_another_parameter(aws: Any, declared: Any) -> None:
    assert judge(aws, declared, GOOD, params={"least": 0.6}) == "register_model"


def with_a_verdict_of_ones_own(aws: Any, declared: Any) -> None:
    rejected(aws, declared)
    uri = run_of(declared)["run_uri"]
    put(
        aws,
        naming.decision_uri(uri),
        records.read_decision(aws.client("s3"), uri) | {"verdict": "pass"},
    )


def with_a_broken_decision(aws: Any, declared: Any) -> None:
    passed(aws, declared)
    put(aws, naming.decision_uri(run_of(declared)["run_uri"]), b"[1]")


@pytest.mark.parametrize(
    ("tamper", "words"),
    [
        (rejected, r"says reject: .* is not ≥ 0.5\. .*register_against_gate"),
        (undecidable, "says undecidable: "),
        (without_decision, "there is no decision record at .* Clear check_quality"),
        (with_another_report, "is about a report with the ETag .*: clear check_quality"),
        (without_report, "there is no evaluation report at .*: clear evaluate"),
        (by_another_parameter, "was made by the policy .*: clear check_quality"),
        (with_a_verdict_of_ones_own, "says pass, and the gate says reject .*: clear check_quality"),
        (with_a_broken_decision, "is no JSON object: clear check_quality"),
    ],
)
def test_nothing_is_registered_that_the_gate_has_not_let_pass(
    aws: Any, tamper: Callable[[Any, Any], None], words: str
) -> None:
    declared = pipeline(tamper.__name__.replace("_", "-"))
    tamper(aws, declared)
    with pytest.raises(AirflowFailException, match=words) as failed:
        register_only(aws, declared, params={"approval_status": "Approved"})
    assert "Nothing was registered" in str(failed.value)
    groups = aws.client("sagemaker").list_model_package_groups(NameContains=declared.name)
    assert groups["ModelPackageGroupSummaryList"] == []


def test_a_report_of_an_earlier_model_registers_no_later_one(
    aws: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    declared = pipeline("stale")
    passed(aws, declared)
    monkeypatch.setitem(globals(), "MODEL", f"s3://{BUCKET}/later/model.tar.gz")
    with pytest.raises(AirflowFailException, match=r"there is no model at .*: clear train"):
        register_only(aws, declared, params={})
    # S3 counts in seconds.
    while datetime.now(tz=UTC).replace(microsecond=0) <= modified(aws, declared):
        time.sleep(0.05)
    put(aws, MODEL, b"y")
    with pytest.raises(AirflowFailException, match=r"is about another one: clear evaluate"):
        register_only(aws, declared, params={})


def modified(aws: Any, declared: Any) -> datetime:
    return records.read_report(aws.client("s3"), run_of(declared)["run_uri"]).modified


def test_who_registers_against_the_gate_is_written_down_and_approves_nothing(aws: Any) -> None:
    declared, events = pipeline("against"), Events()
    params = {"approval_status": "Approved", "register_against_gate": "the rows of May are wrong"}
    of = dag_run(user="ada")
    assert judge(aws, declared, BAD, params=params, of=of) == "register_model"
    _, version = register_only(aws, declared, params=params, of=of, events=events)
    assert version["ModelApprovalStatus"] == "PendingManualApproval"
    assert events == {}
    assert "against the gate" in version["ModelPackageDescription"]
    metadata = version["CustomerMetadataProperties"]
    assert metadata[versions.AGAINST_GATE] == "ada: the rows of May are wrong"
    record = records.read_decision(aws.client("s3"), run_of(declared)["run_uri"])
    assert record["verdict"] == "reject"
    assert record["against_gate"] == {"by": "ada", "reason": "the rows of May are wrong"}
    assert record["registered"]["version"] == 1


def test_what_cannot_be_judged_is_not_registered_by_anybodys_word(aws: Any) -> None:
    declared, params = pipeline("no-word"), {"register_against_gate": "I know it"}
    with pytest.raises(AirflowFailException):
        judge(aws, declared, {}, params=params)
    with pytest.raises(AirflowFailException, match="says undecidable"):
        register_only(aws, declared, params=params)


def test_a_word_that_was_not_needed_changes_nothing(aws: Any) -> None:
    params = {"approval_status": "Approved", "register_against_gate": "to be sure"}
    _, version = register(aws, pipeline("not-needed"), GOOD, params=params)
    assert version["ModelApprovalStatus"] == "Approved"
    assert versions.AGAINST_GATE not in version["CustomerMetadataProperties"]
