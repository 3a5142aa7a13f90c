"""The gate's task: what it reads, writes down and chooses."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from retraining import GreaterThan, GreaterThanOrEqualTo, Metric, Or, Parameter, naming
from retraining.gate.policy_reader import policy_in
from retraining.runs import tasks
from retraining.runs.outcomes import outcome_of

from tests.retraining.declarations import pipeline

BUCKET = "judged"
ARMS = {"skip": "skip_registration", "fail": "reject_model"}


@pytest.fixture(scope="module")
def s3(become_a_task: Any, embedded_sagemaker: Any) -> Any:
    become_a_task(RETRAINING_BUCKET=BUCKET)
    client = embedded_sagemaker.client("s3")
    client.create_bucket(Bucket=BUCKET)
    return client


def run_of(s3: Any, name: str, report: object) -> dict[str, str]:
    uri = naming.run_uri(BUCKET, "p", "2026-11-20", name)
    if report is not None:
        bucket, key = naming.split_s3_uri(naming.report_uri(uri))
        body = report if isinstance(report, bytes) else json.dumps(report).encode()
        s3.put_object(Bucket=bucket, Key=key, Body=body)
    return {"run_uri": uri, "snapshot": "2026-11-20"}


def check(
    run: dict[str, str], *, rejected: Any = ARMS, policy: Any = None, **params: Any
) -> tuple[str, dict[str, Any]]:
    pushed: dict[str, Any] = {}
    chosen = tasks.check_quality(
        pipeline=pipeline(
            "p", metadata_parameters=("kind", "unset"), **({"policy": policy} if policy else {})
        ),
        run=run,
        passed="register_model",
        rejected=rejected,
        params={"least": 0.5, "when_rejected": "skip", "kind": "wide", "other": 1} | params,
        dag_run=SimpleNamespace(run_id="r", dag_id="d", run_type="manual"),
        ti=SimpleNamespace(xcom_push=pushed.__setitem__),
    )
    return chosen, pushed


def decision(s3: Any, run: dict[str, str]) -> dict[str, Any]:
    bucket, key = naming.split_s3_uri(naming.decision_uri(run["run_uri"]))
    found: dict[str, Any] = json.load(s3.get_object(Bucket=bucket, Key=key)["Body"])
    return found


@pytest.mark.parametrize(
    ("score", "params", "chosen"),
    [
        (0.5, {}, "register_model"),
        (0.4, {}, "skip_registration"),
        (0.4, {"when_rejected": "fail"}, "reject_model"),
        (0.4, {"least": 0.3}, "register_model"),
    ],
)
def test_the_branch_follows_the_policy(
    s3: Any, score: float, params: dict[str, Any], chosen: str
) -> None:
    run = run_of(s3, f"{score}{params}", {"scores_metrics": {"score": score}})
    assert check(run, **params)[0] == chosen
    assert decision(s3, run)["verdict"] == ("pass" if chosen == "register_model" else "reject")


def test_one_arm_may_be_all_there_is_for_a_rejected_model(s3: Any) -> None:
    run = run_of(s3, "one arm", {"scores_metrics": {"score": 0}})
    assert check(run, rejected="stop")[0] == "stop"


def test_the_record_says_what_those_who_only_read_it_must_know(s3: Any) -> None:
    run = run_of(s3, "record", {"scores_metrics": {"score": 0.75}})
    _, pushed = check(run)
    record = decision(s3, run)
    assert record["pipeline"] == {
        "name": "p",
        "headline": {"metric": "scores_metrics.score", "better": "higher"},
        "plots": [],
    }
    assert record["parameters"] == {"least": 0.5, "kind": "wide"}
    assert record["run"] == {"run_id": "r", "dag_id": "d", "run_type": "manual", **run}
    assert record["registered"] is None
    bucket, key = naming.split_s3_uri(naming.report_uri(run["run_uri"]))
    etag = s3.head_object(Bucket=bucket, Key=key)["ETag"].strip('"')
    assert record["report"] == {"uri": f"s3://{bucket}/{key}", "etag": etag}
    assert pushed == {naming.VERDICT_XCOM: "score 0.75 ≥ 0.5"}


def test_the_rows_that_a_metric_asks_for_are_in_the_record_and_can_be_asked_again(s3: Any) -> None:
    score = Metric("scores_metrics.score", minimum_rows=500)
    content = {"scores_metrics": {"score": 0.75}, "rows": {"test": 500}}
    run = run_of(s3, "floor", content)
    policy = (Or((GreaterThanOrEqualTo(score, Parameter("least")), GreaterThan(score, 2))),)
    assert check(run, policy=policy)[0] == "register_model"
    record = decision(s3, run)
    (condition,) = record["conditions"]
    assert condition["minimum_rows"] == [
        {"metric": "scores_metrics.score", "rows": "rows.test", "minimum": 500}
    ]
    outcome = outcome_of(record, json.dumps(content).encode())
    assert outcome.faults == ()
    assert outcome.record["conditions"][0] == condition
    assert policy_in(json.dumps(record).encode()) == (
        Or((GreaterThanOrEqualTo(score, 0.5), GreaterThan(score, 2))),
    )
    run = run_of(s3, "few", content | {"rows": {"test": 499}})
    with pytest.raises(AirflowFailException, match="rests on 499 test rows, fewer than the 500"):
        check(run, policy=policy)
    assert decision(s3, run)["verdict"] == "undecidable"


@pytest.mark.parametrize(
    ("report", "words"),
    [
        (None, "there is no evaluation report"),
        (b"{", "not JSON"),
        ({"scores_metrics": {}}, "has no 'score'"),
        (b'{"scores_metrics": {"score": NaN}}', "nan, not a finite number"),
        ({"scores_metrics": {"score": "0.9"}}, "cannot be compared"),
        ({"scores_metrics": {"score": True}}, "cannot be compared"),
    ],
)
def test_what_cannot_be_judged_fails_and_is_written_down(
    s3: Any, report: object, words: str
) -> None:
    run = run_of(s3, f"undecidable {words}", report)
    with pytest.raises(AirflowFailException, match="Nothing was registered"):
        check(run)
    record = decision(s3, run)
    assert record["verdict"] == "undecidable"
    assert words in record["explanation"]


@pytest.mark.parametrize(
    ("least", "kept"),
    [(float("nan"), "NaN"), (10**400, 10**400), ("\ud800", "\ud800"), ([float("inf")], "a list")],
)
def test_a_parameter_that_is_no_limit_is_written_down_as_what_it_is(
    s3: Any, least: object, kept: object
) -> None:
    run = run_of(s3, f"limit {str(kept)[:8]!r}", {"scores_metrics": {"score": 0.75}})
    with pytest.raises(AirflowFailException, match=r"undecidable: .* Nothing was registered"):
        check(run, least=least)
    record = decision(s3, run)
    assert record["verdict"] == "undecidable"
    assert record["parameters"]["least"] == kept


def test_a_rejected_model_fails_with_the_gates_words(s3: Any) -> None:
    run = run_of(s3, "rejected", {"scores_metrics": {"score": 0.25}})
    check(run)
    with pytest.raises(AirflowFailException, match=r"score = 0\.25 is not ≥ 0\.5"):
        tasks.reject_model(run=run)
    tasks.skip_registration(run=run)


def test_branches_that_a_mark_by_hand_lets_go_on_say_what_is_true(s3: Any) -> None:
    run = run_of(s3, "both arms", {"scores_metrics": {"score": 0.75}})
    for arm in (tasks.skip_registration, tasks.reject_model):
        with pytest.raises(AirflowFailException, match=r"there is no decision record at .*Clear"):
            arm(run=run)
    check(run)
    for arm in (tasks.skip_registration, tasks.reject_model):
        with pytest.raises(AirflowSkipException, match="the model was not rejected"):
            arm(run=run)


def test_a_rejected_model_goes_on_by_the_word_of_a_person(s3: Any) -> None:
    run = run_of(s3, "by word", {"scores_metrics": {"score": 0.25}})
    chosen, pushed = check(run, register_against_gate="  for the demo ")
    assert chosen == "register_model"
    word = {"by": "somebody (manual run)", "reason": "for the demo"}
    assert decision(s3, run)["against_gate"] == word
    assert pushed[naming.VERDICT_XCOM] == (
        "score 0.25 < 0.5, against the gate, by somebody (manual run): for the demo"
    )
