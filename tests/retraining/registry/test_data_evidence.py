"""What is decided about a run's data, and that nothing is registered without it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException
from botocore.exceptions import ClientError
from botocore.session import Session
from botocore.validate import validate_parameters
from retraining import GreaterThanOrEqualTo, LessThan, Metric, Parameter, naming
from retraining.aws import s3 as objects
from retraining.champion import finding
from retraining.gate.data import DEFAULT_DATA_POLICY
from retraining.registry import requests, tasks, versions
from retraining.runs import data_tasks, records
from retraining.runs import tasks as run_tasks
from retraining.runs.kinds import WHEN_DATA_DIFFERS

from tests.retraining.declarations import pipeline
from tests.retraining.gate.test_data import report

BUCKET = "data-evidence"
BASELINE = f"s3://{BUCKET}/earlier/data/data_report.json"
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-py312-cpu-py3"
PARAMS = {
    "approval_status": "Approved",
    "backfill_approval_status": "Approved",
    "least": 0.5,
    "ratio": 0.5,
    WHEN_DATA_DIFFERS: "stop",
}
SCORES = {"scores_metrics": {"score": 0.75}}
NONE = dict.fromkeys(finding.MEMBERS, "") | {"why": "none: nobody"}
FOUND = {
    "champion": NONE,
    "baseline": NONE | {"version": "7", "snapshot": "2026-11-19", "data_report_uri": BASELINE},
    "reference": NONE,
}
DAG_RUN = SimpleNamespace(
    run_id="r",
    dag_id="d",
    run_type="manual",
    run_after=datetime.now(tz=UTC) - timedelta(hours=1),
    triggering_user_name=None,
)


@pytest.fixture(scope="module")
def aws(become_a_task: Any, embedded_sagemaker: Any) -> Any:
    become_a_task(RETRAINING_BUCKET=BUCKET)
    s3 = embedded_sagemaker.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    objects.put_json(s3, BASELINE, report())
    return embedded_sagemaker


def declared(name: str, **changes: Any) -> Any:
    return pipeline(name, **{"data_policy": DEFAULT_DATA_POLICY, **changes})


def run_of(of: Any) -> dict[str, str]:
    return {
        "run_uri": naming.run_uri(BUCKET, of.name, "2026-11-20", "r"),
        "snapshot": "2026-11-20", "inference_image_uri": IMAGE,
        "code_sha256": "c" * 64, "data_fingerprint": "d" * 64,
    }  # fmt: skip


def check(
    aws: Any, of: Any, data: object, *, found: Any = None, note: Any = None, **params: Any
) -> str:
    """Judge a run's data; what the task leaves for the run's note goes into ``note``."""
    if data is not None:
        objects.put_json(aws.client("s3"), naming.data_report_uri(run_of(of)["run_uri"]), data)
    return data_tasks.check_data(
        pipeline=of,
        run=run_of(of),
        found=FOUND if found is None else found,
        params=PARAMS | params,
        dag_run=DAG_RUN,
        ti=SimpleNamespace(xcom_push=({} if note is None else note).__setitem__),
    )


def register(aws: Any, of: Any, **params: Any) -> dict[str, Any]:
    """Judge and register a model; return the version."""
    run, s3 = run_of(of), aws.client("s3")
    model = f"{run['run_uri']}model.tar.gz"
    objects.put(s3, model, b"x")
    objects.put_json(s3, naming.report_uri(run["run_uri"]), SCORES)
    run_tasks.check_quality(
        pipeline=of,
        run=run,
        passed="register_model",
        rejected="skip_registration",
        params=PARAMS | params,
        dag_run=DAG_RUN,
        ti=SimpleNamespace(xcom_push=lambda *_: None),
    )
    made = tasks.register_model(
        pipeline=of,
        run=run,
        training={"model_uri": model, "job_name": "train-1"},
        params=PARAMS | params,
        dag_run=DAG_RUN,
        outlet_events=_Events(),
    )
    found: dict[str, Any] = aws.client("sagemaker").describe_model_package(
        ModelPackageName=made["model_package_arn"]
    )
    return found


class _Events:
    def __getitem__(self, alias: object) -> Any:
        return SimpleNamespace(add=lambda *_, **__: None)


def record_of(aws: Any, of: Any) -> dict[str, Any]:
    uri = naming.data_decision_uri(run_of(of)["run_uri"])
    found: dict[str, Any] = objects.get_json(aws.client("s3"), uri)
    return found


def test_data_that_pass_are_named_by_the_version(aws: Any) -> None:
    of = declared("passes")
    note: dict[str, str] = {}
    assert check(aws, of, report(), note=note).startswith("data.duplicate_share = 0.0 is < 0.5; ")
    # The note is about its model.
    assert note == {}
    found = register(aws, of)
    assert found["ModelApprovalStatus"] == "Approved"
    run_uri = run_of(of)["run_uri"]
    quality = found["ModelMetrics"]["ModelDataQuality"]
    assert quality["Statistics"]["S3Uri"] == naming.data_report_uri(run_uri)
    assert quality["Constraints"]["S3Uri"] == naming.data_decision_uri(run_uri)
    assert found["DriftCheckBaselines"]["ModelDataQuality"] == {"Statistics": quality["Statistics"]}
    version = versions.describe(aws.client("sagemaker"), found["ModelPackageArn"])
    assert (version.data_report_uri, version.data_differ) == (
        naming.data_report_uri(run_uri),
        False,
    )
    record = record_of(aws, of)
    assert record["data"]["baseline"] == FOUND["baseline"]
    assert record["report"]["uri"] == naming.data_report_uri(run_uri)
    assert record["parameters"] == {WHEN_DATA_DIFFERS: "stop"}


@pytest.mark.parametrize(
    ("when", "status"), [("reject", "Rejected"), ("warn", "PendingManualApproval")]
)
def test_data_that_differ_bear_on_the_version(aws: Any, when: str, status: str) -> None:
    of = declared(f"goes-on-{when}")
    check(aws, of, report(factor=10), **{WHEN_DATA_DIFFERS: when})
    found = register(aws, of, **{WHEN_DATA_DIFFERS: when})
    assert found["ModelApprovalStatus"] == status
    assert "its data differ" in found["ModelPackageDescription"]
    assert versions.describe(aws.client("sagemaker"), found["ModelPackageArn"]).data_differ


def test_data_that_differ_stop_the_run_and_nothing_is_registered_by_hand(aws: Any) -> None:
    of = declared("stops")
    note: dict[str, str] = {}
    with pytest.raises(AirflowFailException, match=r"stopped: distance\.greatest_median_change"):
        check(aws, of, report(factor=10), note=note)
    assert note[naming.VERDICT_XCOM].startswith("stopped by its data: distance.greatest_median_")
    assert record_of(aws, of)["verdict"] == "reject"
    with pytest.raises(AirflowFailException, match=r"says reject: .*Nothing was registered"):
        register(aws, of)


def test_what_was_marked_by_hand_registers_nothing(aws: Any) -> None:
    of = declared("marked")
    with pytest.raises(AirflowFailException, match=r"no data report at .*clear preprocess"):
        register(aws, of)
    objects.put_json(aws.client("s3"), naming.data_report_uri(run_of(of)["run_uri"]), report())
    with pytest.raises(AirflowFailException, match=r"there is no decision record at .*Clear check"):
        register(aws, of)


def test_a_decision_about_other_data_or_by_another_policy_registers_nothing(aws: Any) -> None:
    of, s3 = declared("other"), aws.client("s3")
    check(aws, of, report())
    uri = run_of(of)["run_uri"]
    objects.put_json(s3, naming.data_report_uri(uri), report(rows=1_001))
    with pytest.raises(AirflowFailException, match="is about a report with the ETag"):
        register(aws, of)
    check(aws, of, report())
    policy = (GreaterThanOrEqualTo(Metric("distance.row_ratio"), Parameter("ratio")),)
    with pytest.raises(AirflowFailException, match=r"was made by the policy .*clear check_data"):
        register(aws, declared("other", data_policy=policy))
    check(aws, declared("other", data_policy=policy), report())
    with pytest.raises(AirflowFailException, match=r"was made by the policy .*clear check_data"):
        register(aws, declared("other", data_policy=policy), ratio=0.1)
    assert register(aws, declared("other", data_policy=policy))


@pytest.mark.parametrize(
    "change",
    [
        {"verdict": "pass"},
        {"verdict": "pass", "data": None},
        {"verdict": "pass", "data": {"comparison": [], "missing": 3}},
        {"verdict": "undecidable"},
        {"verdict": 7},
    ],
)
def test_a_record_that_was_written_by_hand_registers_nothing(aws: Any, change: Any) -> None:
    of = declared(f"forged-{naming.fingerprint(change)[:8]}")
    check(aws, of, report(factor=10), **{WHEN_DATA_DIFFERS: "warn"})
    uri = naming.data_decision_uri(run_of(of)["run_uri"])
    objects.put_json(aws.client("s3"), uri, record_of(aws, of) | change)
    with pytest.raises(AirflowFailException, match="Nothing was registered"):
        register(aws, of, **{WHEN_DATA_DIFFERS: "warn"})
    objects.put(aws.client("s3"), uri, b"[1]")
    with pytest.raises(AirflowFailException, match="is no JSON object: clear check_data"):
        register(aws, of)


@pytest.mark.parametrize("content", [None, b"", b"[]", b'{"schema": 1, "rows": -1}'])
def test_a_report_that_cannot_be_judged_stops_the_run(aws: Any, content: bytes | None) -> None:
    of = declared(f"undecidable-{naming.fingerprint(str(content))[:8]}")
    if content is not None:
        objects.put(aws.client("s3"), naming.data_report_uri(run_of(of)["run_uri"]), content)
    with pytest.raises(AirflowFailException, match=r"stopped: undecidable: .*data report"):
        check(aws, of, None, **{WHEN_DATA_DIFFERS: "warn"})
    assert record_of(aws, of)["verdict"] == "undecidable"


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"version": ""}, "none: nobody"),
        ({"data_report_uri": ""}, "version 7 of 2026-11-19 names no data report"),
        ({"data_report_uri": f"s3://{BUCKET}/gone.json"}, "cannot be read: s3://"),
        ({"data_report_uri": "s3://no-such-bucket-here/gone.json"}, "cannot be read: s3://"),
        ({"data_report_uri": "https://example.com/a"}, "is not of the form s3://bucket/key"),
        ({"data_report_uri": "s3://b/"}, "cannot be read"),
        ({"data_report_uri": f"s3://{BUCKET}/broken.json"}, "the data report is not JSON"),
    ],
)
def test_a_baseline_that_cannot_be_read_is_none_and_is_told(
    aws: Any, told: dict[str, str], words: str, caplog: pytest.LogCaptureFixture
) -> None:
    of = declared(f"unread-{naming.fingerprint(told)[:8]}")
    objects.put(aws.client("s3"), f"s3://{BUCKET}/broken.json", b"{")
    found = FOUND | {"baseline": FOUND["baseline"] | told}
    with caplog.at_level("INFO"):
        check(aws, of, report(factor=10), found=found)
    explanation = record_of(aws, of)["explanation"]
    assert explanation.startswith("no baseline: rubber stamp (")
    assert words in explanation
    assert explanation in caplog.text
    assert register(aws, of)["ModelApprovalStatus"] == "Approved"


def test_a_service_that_does_not_answer_is_asked_again(
    aws: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = objects.get

    def slow(s3: Any, uri: str) -> Any:
        if uri == BASELINE:
            raise ClientError({"Error": {"Code": "SlowDown"}}, "GetObject")
        return real(s3, uri)

    monkeypatch.setattr(objects, "get", slow)
    with pytest.raises(ClientError, match="SlowDown"):
        check(aws, declared("slow"), report())


def test_a_version_whose_data_stop_its_run_since_is_not_deployed_unasked(aws: Any) -> None:
    of, s3 = declared("stopped-since"), aws.client("s3")
    check(aws, of, report())
    found = register(aws, of)
    uri = naming.run_of_report(found["ModelMetrics"]["ModelQuality"]["Statistics"]["S3Uri"])
    assert records.objection(s3, uri) is None
    check(aws, of, report(factor=10), **{WHEN_DATA_DIFFERS: "warn"})
    assert records.objection(s3, uri) is None
    with pytest.raises(AirflowFailException):
        check(aws, of, report(factor=10))
    told = records.objection(s3, uri)
    assert told is not None
    assert told.startswith("the decision about its data is reject by now, distance.greatest_median")


def test_what_an_earlier_decision_said_is_kept(aws: Any) -> None:
    of = declared("again")
    with pytest.raises(AirflowFailException):
        check(aws, of, report(factor=10))
    check(aws, of, report(factor=10), **{WHEN_DATA_DIFFERS: "warn"})
    bucket, prefix = naming.split_s3_uri(f"{run_of(of)['run_uri']}decisions/")
    kept = aws.client("s3").list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]
    (earlier,) = kept
    said = objects.get_json(aws.client("s3"), f"s3://{bucket}/{earlier['Key']}")
    assert said["parameters"] == {WHEN_DATA_DIFFERS: "stop"}


def test_without_a_data_policy_nothing_is_asked_of_the_data(aws: Any) -> None:
    of = pipeline("no-data-gate")
    found = register(aws, of)
    assert "ModelDataQuality" not in found["ModelMetrics"]
    assert "DriftCheckBaselines" not in found


def test_a_policy_of_parameters_is_recorded_with_them(aws: Any) -> None:
    of = declared(
        "with-parameters",
        data_policy=(LessThan(Metric("data.duplicate_share"), Parameter("ratio")),),
    )
    assert of.parameter_names == ("least", "ratio")
    check(aws, of, report())
    assert record_of(aws, of)["parameters"] == {WHEN_DATA_DIFFERS: "stop", "ratio": 0.5}


def test_the_request_is_one_that_the_service_knows() -> None:
    request = requests.model_package(
        pipeline=declared("valid"),
        image_uri=IMAGE,
        model_uri="s3://b/m",
        report_uri="s3://b/e",
        data_report_uri="s3://b/d",
        data_decision_uri="s3://b/c",
        approval_status="Approved",
        description="d",
        metadata={},
        git_commit=None,
        client_token="t",
    )
    model = Session().get_service_model("sagemaker")
    validate_parameters(request, model.operation_model("CreateModelPackage").input_shape)
