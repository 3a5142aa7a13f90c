from __future__ import annotations

import itertools
import json
import time
from typing import Any

import pytest
from retraining import naming
from retraining.gate import decision as gate
from retraining.gate.bounds import Bound
from retraining.gate.conditions import GreaterThanOrEqualTo, LessThan, Metric, Not, Parameter
from retraining.gate.decision import Decision, Verdict
from retraining.gate.judging import Judgement
from retraining.gate.report import Measure
from retraining.past_runs.reading import History, list_records, read_history, read_records
from retraining.past_runs.report import make_report
from retraining.past_runs.standing import Standing
from retraining.past_runs.what_if import at_least, what_if
from retraining.runs import records

BUCKET = "history"
R2, RMSE = Metric("regression_metrics.r2_score"), Metric("regression_metrics.rmse")
POLICY = (GreaterThanOrEqualTo(R2, Parameter("r2_threshold")), Not(LessThan(RMSE, 0)))
numbers = itertools.count(1)


@pytest.fixture(scope="module")
def s3(embedded_sagemaker: Any) -> Any:
    client = embedded_sagemaker.client("s3")
    client.create_bucket(Bucket=BUCKET)
    return client


@pytest.fixture
def pipeline() -> str:
    """A pipeline of a test's own."""
    return f"pipeline-{next(numbers)}"


def report(r2: object, rmse: object = 0.7) -> dict[str, Any]:
    return {
        "regression_metrics": {
            "r2_score": {"value": r2, "standard_deviation": 0.01},
            "rmse": {"value": rmse, "standard_deviation": 0.02},
            "mae": 0.5,
        },
        "rows": {"snapshot": 100, "train": 80, "validation": 0, "test": 20},
        "features": "raw",
    }


def put(s3: Any, uri: str, body: bytes) -> None:
    bucket, key = naming.split_s3_uri(uri)
    s3.put_object(Bucket=bucket, Key=key, Body=body)


def judge(
    s3: Any,
    pipeline: str,
    snapshot: str,
    content: dict[str, Any] | bytes | None,
    *,
    run_id: str | None = None,
    threshold: float = 0.6,
    **run: object,
) -> str:
    """Do what a run's last tasks do; return the run's folder."""
    run_id = run_id or f"scheduled__{snapshot}T02:00:00+00:00"
    uri = naming.run_uri(BUCKET, pipeline, snapshot, run_id)
    parameters = {"r2_threshold": threshold}
    written = None
    if content is None:
        decision = gate.undecidable("there is no report", POLICY, parameters)
    else:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        put(s3, naming.report_uri(uri), body)
        written = records.read_report(s3, uri)
        decision = gate.decide(written.content, POLICY, parameters=parameters)
    identity = {"run_id": run_id, "dag_id": "retraining", "snapshot": snapshot, **run}
    records.write_decision(
        s3, uri, decision=decision, report=written, pipeline={}, parameters={}, run=identity
    )
    return uri


def read(s3: Any, pipeline: str, **options: Any) -> History:
    return read_history(s3, BUCKET, pipeline=pipeline, **options)


def test_a_judged_run_is_read_with_all_that_its_records_say(s3: Any, pipeline: str) -> None:
    uri = judge(s3, pipeline, "2026-11-20", report(0.61))
    records.add_registration(
        s3, uri, arn="arn:aws:sagemaker:x:1:model-package/g/7", version=7, report_etag=""
    )
    (run,) = read(s3, pipeline).runs
    assert run.uri == naming.decision_uri(uri)
    assert (run.snapshot, run.run_type) == ("2026-11-20", "scheduled")
    assert run.run_id == "scheduled__2026-11-20T02:00:00+00:00"
    assert run.outcome.verdict is Verdict.PASS
    assert run.outcome.explanation.startswith("regression_metrics.r2_score = 0.61 is ≥ 0.6")
    assert run.outcome.bounds == (Bound("regression_metrics.r2_score", "≥", 0.6),)
    assert run.outcome.metrics.measures == {
        "regression_metrics.r2_score": Measure(0.61, 0.01),
        "regression_metrics.rmse": Measure(0.7, 0.02),
        "regression_metrics.mae": Measure(0.5, None),
    }
    assert run.outcome.metrics.rows == {"snapshot": 100, "train": 80, "validation": 0, "test": 20}
    assert (run.outcome.version, run.outcome.arn) == (7, "arn:aws:sagemaker:x:1:model-package/g/7")
    assert run.report == json.dumps(report(0.61)).encode()


def test_an_interval_is_of_95_percent() -> None:
    assert Measure(0.6, 0.1).interval == pytest.approx((0.404, 0.796))
    assert Measure(0.6, None).interval is None


def test_runs_come_by_snapshot_and_then_as_they_were_decided(s3: Any, pipeline: str) -> None:
    for snapshot, run_id in (
        ("2026-11-20", "manual__2"),
        ("2026-11-18", "a"),
        ("2026-11-20", "backfill__1"),
        ("2026-11-19", "b"),
    ):
        judge(s3, pipeline, snapshot, report(0.7), run_id=run_id)
    history = read(s3, pipeline)
    assert history.problems == ()
    assert [run.snapshot[-2:] for run in history.runs] == ["18", "19", "20", "20"]
    assert {run.run_id: run.run_type for run in history.runs} == {
        "a": None,
        "b": None,
        "backfill__1": "backfill",
        "manual__2": "manual",
    }
    newest = read(s3, pipeline, newest=3).runs
    assert [run.snapshot[-2:] for run in newest] == ["19", "20", "20"]
    assert read(s3, pipeline, newest=0).runs == ()
    assert read(s3, pipeline, newest=9) == history


def test_snapshots_without_a_record_do_not_count_among_the_newest(s3: Any, pipeline: str) -> None:
    for day in (17, 18):
        judge(s3, pipeline, f"2026-11-{day}", report(0.7))
    for day in (19, 20, 21):
        uri = naming.run_uri(BUCKET, pipeline, f"2026-11-{day}", "failed")
        put(s3, f"{naming.output_uri(uri, 'train')}train.csv", b"")
    assert [run.snapshot[-2:] for run in read(s3, pipeline, newest=1).runs] == ["18"]
    assert [run.snapshot[-2:] for run in read(s3, pipeline, newest=2).runs] == ["17", "18"]


def test_a_record_that_names_its_run_type_is_believed(s3: Any, pipeline: str) -> None:
    judge(s3, pipeline, "2026-11-20", report(0.7), run_id="mine", run_type="backfill")
    assert read(s3, pipeline).runs[0].run_type == "backfill"


def test_a_pipeline_without_runs_has_an_empty_history(s3: Any, pipeline: str) -> None:
    assert read(s3, pipeline) == History((), ())


def test_histories_longer_than_a_page_are_read_whole(s3: Any, pipeline: str) -> None:
    for day in range(1, 6):
        judge(s3, pipeline, f"2026-11-{day:02}", report(0.7))

    def one_a_page(params: dict[str, Any], **_: Any) -> None:
        params["MaxKeys"] = 1

    s3.meta.events.register("provide-client-params.s3.ListObjectsV2", one_a_page)
    try:
        history = read(s3, pipeline)
    finally:
        s3.meta.events.unregister("provide-client-params.s3.ListObjectsV2", one_a_page)
    assert len(history.runs) == 5


@pytest.mark.parametrize(
    "content",
    [None, b"", b"not json", b"[1]", b'"text"', b"{}", b"[" * 100_000, report(None)],
    ids=["absent", "empty", "no JSON", "list", "text", "no metrics", "deep", "null"],
)
def test_a_run_that_could_not_be_judged_has_no_value_and_is_no_problem(
    s3: Any, pipeline: str, content: Any
) -> None:
    judge(s3, pipeline, "2026-11-20", content)
    history = read(s3, pipeline)
    assert history.problems == ()
    (run,) = history.runs
    assert run.outcome.verdict is Verdict.UNDECIDABLE
    assert "regression_metrics.r2_score" not in run.outcome.metrics.measures
    assert run.outcome.bounds == ()


@pytest.mark.parametrize(
    "leaf", [True, "0.7", float("nan"), float("inf"), None, [], {}, {"value": "x"}, 10**400]
)
def test_what_is_no_number_is_no_value(s3: Any, pipeline: str, leaf: object) -> None:
    content = report(0.7)
    content["regression_metrics"]["mae"] = leaf
    content["rows"]["train"] = leaf
    judge(s3, pipeline, "2026-11-20", content)
    (run,) = read(s3, pipeline).runs
    assert run.outcome.metrics.measures.keys() == {R2.path, RMSE.path}
    assert run.outcome.metrics.rows.keys() == {"snapshot", "validation", "test"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"null",
        b"[]",
        b"{}",
        b"[" * 100_000,
        b'{"verdict": "maybe", "report": null, "run": {"run_id": "x"}}',
    ],
)
def test_a_broken_record_is_told_and_hides_no_other(s3: Any, pipeline: str, body: bytes) -> None:
    judge(s3, pipeline, "2026-11-20", report(0.7))
    broken = judge(s3, pipeline, "2026-11-19", report(0.7))
    put(s3, naming.decision_uri(broken), body)
    history = read(s3, pipeline)
    assert [run.snapshot for run in history.runs] == ["2026-11-20"]
    (problem,) = history.problems
    assert problem.uri == naming.decision_uri(broken)
    assert problem.reason.startswith("it is no decision record: ")


def test_a_folder_that_is_no_snapshot_is_told(s3: Any, pipeline: str) -> None:
    uri = f"s3://{BUCKET}/{pipeline}/runs/yesterday/x/evaluation/decision.json"
    put(s3, uri, b"{}")
    (problem,) = read(s3, pipeline).problems
    assert problem.uri == uri
    assert "'yesterday' is not a date" in problem.reason


def test_a_report_that_changed_after_it_was_judged_gives_no_values(s3: Any, pipeline: str) -> None:
    uri = judge(s3, pipeline, "2026-11-20", report(0.7))
    put(s3, naming.report_uri(uri), json.dumps(report(0.9)).encode())
    history = read(s3, pipeline)
    assert history.runs[0].outcome.verdict is Verdict.PASS
    assert history.runs[0].outcome.metrics.measures == {}
    assert history.runs[0].report is None
    assert history.problems[0].uri == naming.report_uri(uri)
    assert "it is not the report that was judged" in history.problems[0].reason


def test_a_report_that_is_gone_is_told(s3: Any, pipeline: str) -> None:
    uri = judge(s3, pipeline, "2026-11-20", report(0.7))
    bucket, key = naming.split_s3_uri(naming.report_uri(uri))
    s3.delete_object(Bucket=bucket, Key=key)
    history = read(s3, pipeline)
    assert history.runs[0].outcome.verdict is Verdict.PASS
    assert "the report that was judged cannot be read" in history.problems[0].reason


@pytest.mark.parametrize("etag", [{}, {"etag": None}, "x", [1], 0])
def test_a_record_that_does_not_say_which_report_it_judged_gives_no_values(
    s3: Any, pipeline: str, etag: object
) -> None:
    uri = judge(s3, pipeline, "2026-11-20", report(0.7))
    record = records.read_decision(s3, uri) | {"report": etag}
    put(s3, naming.decision_uri(uri), json.dumps(record).encode())
    history = read(s3, pipeline)
    assert history.runs[0].outcome.verdict is Verdict.PASS
    assert history.runs[0].outcome.metrics.measures == {}
    assert "it is not the report that was judged" in history.problems[0].reason


@pytest.mark.parametrize("nothing", [None, [], "x", 1, {}])
def test_a_record_with_a_verdict_is_read_whatever_else_it_lacks(
    s3: Any, pipeline: str, nothing: object
) -> None:
    uri = judge(s3, pipeline, "2026-11-20", report(0.7))
    record = records.read_decision(s3, uri)
    members = ("explanation", "conditions", "run", "registered", "pipeline", "parameters")
    put(s3, naming.decision_uri(uri), json.dumps(record | dict.fromkeys(members, nothing)).encode())
    history = read(s3, pipeline)
    assert history.problems == ()
    (run,) = history.runs
    assert (run.outcome.verdict, run.outcome.headline) == (Verdict.PASS, None)
    # As its folder is called, which is made of it.
    assert run.run_id == naming.run_folder("scheduled__2026-11-20T02:00:00+00:00")
    assert run.outcome.metrics.measures[R2.path] == Measure(0.7, 0.01)


def test_large_reports_are_not_kept_unless_they_are_to_be_judged(s3: Any, pipeline: str) -> None:
    judge(s3, pipeline, "2026-11-20", report(0.7))
    listed = list_records(s3, BUCKET, pipeline=pipeline)
    (run,) = read_records(s3, listed, with_reports=False).runs
    assert run.report is None
    assert run.outcome.metrics.measures[R2.path] == Measure(0.7, 0.01)
    assert read_records(s3, listed) == read(s3, pipeline)


def test_a_run_s_other_files_are_no_records(s3: Any, pipeline: str) -> None:
    uri = judge(s3, pipeline, "2026-11-20", report(0.7))
    put(s3, f"{uri}test/evaluation/decision.json", b"{}")
    put(s3, f"{uri}decision.json", b"{}")
    assert len(read(s3, pipeline).runs) == 1
    assert read(s3, pipeline).problems == ()


def test_another_policy_judges_the_same_reports(s3: Any, pipeline: str) -> None:
    for day, r2 in ((18, 0.59), (19, 0.61), (20, 0.63)):
        judge(s3, pipeline, f"2026-11-{day}", report(r2))
    judge(s3, pipeline, "2026-11-21", None)
    runs = read(s3, pipeline).runs
    rejudged = what_if(runs, at_least(0.62, metric=R2.path))
    assert [item.decision.verdict.value for item in rejudged] == [
        "reject",
        "reject",
        "pass",
        "undecidable",
    ]
    assert [item.differs for item in rejudged] == [False, True, False, False]
    assert rejudged[1].decision.explanation == "regression_metrics.r2_score = 0.61 is not ≥ 0.62"
    assert {item.bounds for item in rejudged} == {
        (Bound("regression_metrics.r2_score", "≥", 0.62),)
    }
    lenient = what_if(runs, [LessThan(RMSE, Parameter("most"))], parameters={"most": 1})
    assert [item.decision.verdict.value for item in lenient] == ["pass"] * 3 + ["undecidable"]


def test_a_report_that_changed_is_not_judged_anew(s3: Any, pipeline: str) -> None:
    uri = judge(s3, pipeline, "2026-11-20", report(0.7))
    put(s3, naming.report_uri(uri), json.dumps(report(0.9)).encode())
    (item,) = what_if(read(s3, pipeline).runs, at_least(0.8, metric=R2.path))
    assert item.decision.verdict is Verdict.UNDECIDABLE


def test_a_policy_without_conditions_is_a_mistake(s3: Any, pipeline: str) -> None:
    judge(s3, pipeline, "2026-11-20", report(0.7))
    with pytest.raises(ValueError, match="every model would pass"):
        what_if(read(s3, pipeline).runs, [])


def judge_data(
    s3: Any, pipeline: str, snapshot: str, verdict: Verdict, when: str = "stop", **run: str
) -> str:
    """Do what a run does when its data are judged; return the run's folder."""
    run_id = run.get("run_id", f"scheduled__{snapshot}T02:00:00+00:00")
    uri = naming.run_uri(BUCKET, pipeline, snapshot, run_id)
    condition: dict[str, object] = {
        "Type": "GreaterThanOrEqualTo",
        "LeftValue": {"Std:JsonGet": {"Path": "distance.row_ratio"}},
        "RightValue": 0.8,
    }
    judged = Judgement(
        condition, {"distance.row_ratio": 0.5}, False, "row_ratio = 0.5 is not ≥ 0.8"
    )
    records.write_decision(
        s3,
        uri,
        decision=Decision(verdict, "row_ratio = 0.5 is not ≥ 0.8", (judged,), "0" * 64),
        report=None,
        pipeline={"name": pipeline},
        parameters={"when_data_differs": when},
        run={"run_id": run_id, "dag_id": "retraining", "snapshot": snapshot},
        data={"comparison": {}, "missing": {}},
    )
    return uri


@pytest.mark.parametrize("verdict", [Verdict.REJECT, Verdict.UNDECIDABLE])
def test_a_run_that_its_data_stopped_is_told_with_the_reason(
    s3: Any, pipeline: str, verdict: Verdict
) -> None:
    judge(s3, pipeline, "2026-11-19", report(0.7))
    uri = judge_data(s3, pipeline, "2026-11-20", verdict)
    history = read(s3, pipeline)
    assert history.problems == ()
    _, stopped = history.runs
    assert stopped.uri == naming.data_decision_uri(uri)
    assert stopped.run_id == "scheduled__2026-11-20T02:00:00+00:00"
    assert stopped.outcome.verdict is verdict
    assert stopped.outcome.explanation == "stopped by its data: row_ratio = 0.5 is not ≥ 0.8"
    assert (stopped.outcome.bounds, stopped.outcome.limit) == ((), None)
    # Another policy on models has nothing to say of it.
    assert [
        item.run.snapshot for item in what_if(history.runs, at_least(0.9, metric=str(R2.path)))
    ] == ["2026-11-19"]
    page = make_report(history, pipeline=pipeline, standing=Standing())
    assert "stopped by its data: row_ratio = 0.5 is not" in page.page
    assert "stopped by its data: row_ratio = 0.5 is not" in page.table


def test_data_that_let_the_run_go_on_are_no_run_of_their_own(s3: Any, pipeline: str) -> None:
    judge_data(s3, pipeline, "2026-11-18", Verdict.PASS)
    judge_data(s3, pipeline, "2026-11-19", Verdict.REJECT, "warn")
    judge_data(s3, pipeline, "2026-11-20", Verdict.REJECT, "reject")
    assert read(s3, pipeline).runs == ()
    for day in ("18", "19", "20"):
        judge(s3, pipeline, f"2026-11-{day}", report(0.7))
    runs = read(s3, pipeline).runs
    assert [run.outcome.is_stopped for run in runs] == [False] * 3


def test_a_cleared_run_that_its_data_stop_is_told_beside_what_it_registered(
    s3: Any, pipeline: str
) -> None:
    judge(s3, pipeline, "2026-11-20", report(0.7))
    time.sleep(1.1)  # S3 tells time in seconds
    judge_data(s3, pipeline, "2026-11-20", Verdict.REJECT)
    runs = read(s3, pipeline).runs
    assert [(run.outcome.verdict, run.outcome.is_stopped) for run in runs] == [
        (Verdict.PASS, False),
        (Verdict.REJECT, True),
    ]


@pytest.mark.parametrize("body", [b"", b"[]", b'{"verdict": "stopped"}', b"\xff"])
def test_a_broken_decision_about_data_is_a_problem(s3: Any, pipeline: str, body: bytes) -> None:
    uri = naming.run_uri(BUCKET, pipeline, "2026-11-20", "r")
    put(s3, naming.data_decision_uri(uri), body)
    (problem,) = read(s3, pipeline).problems
    assert problem.uri == naming.data_decision_uri(uri)
