"""What the page is told of runs, versions and jobs."""

from __future__ import annotations

import csv
import io
import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from retraining import naming
from retraining.aws import s3 as objects

from tests.web.conftest import (
    BETTER,
    BROKEN,
    FAILED,
    GOOD,
    NEWEST,
    ODD_ROWS,
    OPEN,
    POISONED,
    REJECTED,
    SLY,
    THIRD,
    UNDECIDABLE,
    WHY,
    History,
)
from tests.web.stack import DAG, DEPLOYMENT, PIPELINE, Stack

if TYPE_CHECKING:
    from tests.web.past import Past

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]


def rows(stack: Stack, **query: Any) -> dict[str, dict[str, Any]]:
    answer = stack.page("data/runs", "vera", dag_id=DAG, **query).json()
    assert answer["notices"] == []
    return {row["run_id"]: row for row in answer["rows"]}


def one(stack: Stack, past: Past) -> dict[str, Any]:
    answer = stack.page("data/run", "vera", dag_id=DAG, run_id=past.run_id)
    assert answer.status == 200, answer.body
    found: dict[str, Any] = answer.json()
    return found


def test_runs_come_newest_first_with_their_verdicts(stack: Stack) -> None:
    found = rows(stack, limit=len(NEWEST))
    assert [*found] == [past.run_id for past in NEWEST]
    assert [row["verdict"] for row in found.values()] == [
        "running", "pass", "pass", "pass", "reject", "undecidable", "failed",
    ]  # fmt: skip


def test_runs_come_in_pages(stack: Stack) -> None:
    answer = stack.page("data/runs", dag_id=DAG, offset=2, limit=2).json()
    assert [row["run_id"] for row in answer["rows"]] == [BETTER.run_id, THIRD.run_id]
    assert answer["total"] > len(NEWEST)


def test_a_row_has_the_gates_metric_with_its_threshold(stack: Stack) -> None:
    row = rows(stack)[REJECTED.run_id]
    assert row["metric"] == {
        "path": "regression_metrics.r2_score",
        "name": "r2_score",
        "better": "higher",
        "sign": "≥",
        "threshold": 0.6,
        "value": 0.55,
        "standard_deviation": 0.01,
    }
    assert row["metrics"] == {"regression_metrics.mse": 0.36, "regression_metrics.r2_score": 0.55}
    assert row["rows"]["snapshot"] == 20_640
    assert row["explanation"] == "regression_metrics.r2_score = 0.55 is not ≥ 0.6"


def test_a_row_has_the_version_and_whether_it_serves(history: History) -> None:
    found = rows(history.stack)
    assert [found[past.run_id]["version"] for past in (GOOD, BETTER, THIRD)] == [1, 2, 3]
    assert found[THIRD.run_id]["is_serving"] is True
    assert found[BETTER.run_id]["is_serving"] is False
    assert found[REJECTED.run_id]["is_serving"] is None
    assert found[THIRD.run_id]["run_type"] == "backfill"


def test_one_run_explains_itself(history: History) -> None:
    run = one(history.stack, GOOD)
    (condition,) = run["conditions"]
    assert condition["holds"] is True
    assert condition["operands"] == {
        "regression_metrics.r2_score": 0.7,
        "parameter r2_threshold": 0.6,
    }
    assert run["run_uri"] == GOOD.uri
    assert run["fingerprint"]["data_fingerprint"] == "f" * 64
    assert run["fingerprint"]["policy_sha256"]
    assert run["parameters"] == {"r2_threshold": 0.6, "features": "engineered"}
    # Other tests approve and reject it.
    assert run["serving"].pop("approval") in {"Approved", "PendingManualApproval", "Rejected"}
    assert run["serving"] == {
        "endpoint_name": PIPELINE,
        "status": "InService",
        "number": 3,
        "is_verified": True,
    }
    assert {step["task_id"] for step in run["steps"]} >= {"preprocess", "check_quality"}
    assert run["links"] == {"jobs": {}, "logs": {}, "endpoint": None}


def test_an_undecidable_run_has_no_condition_and_a_reason(stack: Stack) -> None:
    run = one(stack, UNDECIDABLE)
    assert run["conditions"] == []
    assert "regression_metrics.r2_score.value of the report is null" in run["explanation"]


@pytest.mark.parametrize("past", [OPEN, FAILED])
def test_a_run_without_a_decision_is_shown_all_the_same(stack: Stack, past: Past) -> None:
    run = one(stack, past)
    assert (run["conditions"], run["metric"], run["version"]) == ([], None, None)
    assert run["notices"] == []


def test_a_task_that_failed_says_why(stack: Stack) -> None:
    reasons = {step["task_id"]: step["failure"] for step in one(stack, FAILED)["steps"]}
    assert reasons.pop("train") == WHY
    assert set(reasons.values()) == {""}


def test_a_job_tells_seconds_and_cost(history: History) -> None:
    answer = history.stack.page("data/jobs", dag_id=DAG, run_id=[GOOD.run_id, BETTER.run_id])
    job = answer.json()["runs"][GOOD.run_id]["preprocess"]
    assert job["status"] == "Completed"
    assert job["seconds"] > 0
    # $3.60 an hour is a tenth of a cent a second.
    assert job["cost"] == pytest.approx(job["seconds"] * 0.001)
    assert answer.json()["runs"][BETTER.run_id] == {}


def test_a_jobs_log_can_be_read(stack: Stack) -> None:
    answer = stack.page("data/log", dag_id=DAG, run_id=GOOD.run_id, task_id="preprocess").json()
    assert any("twelve <b>rows</b>" in stream["text"] for stream in answer["streams"])


def test_a_step_without_a_job_has_no_log(stack: Stack) -> None:
    answer = stack.page("data/log", dag_id=DAG, run_id=GOOD.run_id, task_id="check_quality")
    assert answer.status == 404


def test_predictions_come_with_binned_residuals(stack: Stack) -> None:
    found = stack.page("data/predictions", dag_id=DAG, run_id=GOOD.run_id).json()["found"]
    assert (found["rows"], found["is_all"], sum(found["counts"])) == (40, True, 40)
    assert found["points"][0] == [0.0, 0.5]
    assert found["mean"] == pytest.approx(0.5)


def test_a_run_without_predictions_has_none_and_that_is_no_fault(stack: Stack) -> None:
    answer = stack.page("data/predictions", dag_id=DAG, run_id=BETTER.run_id).json()
    assert answer == {"found": None, "notices": []}


def test_versions_come_with_who_decided(history: History) -> None:
    answer = history.stack.page("data/versions", dag_id=DAG).json()
    assert [version["number"] for version in answer["versions"]] == [3, 2, 1]
    assert answer["versions"][0]["run_id"] == THIRD.run_id
    assert answer["versions"][0]["snapshot"] == THIRD.snapshot
    assert answer["serving"]["number"] == 3


def test_a_version_that_its_decision_does_not_let_pass_any_more_says_so(history: History) -> None:
    stack, s3 = history.stack, history.stack.client("s3")
    uri = naming.decision_uri(THIRD.uri)
    before = objects.get(s3, uri).content
    objects.put_json(s3, uri, json.loads(before) | {"verdict": "reject", "explanation": "it is 0"})
    try:
        deadline = time.monotonic() + 60
        said = ""
        # What was read a moment ago is not read again.
        while not said and time.monotonic() < deadline:
            newest, *others = stack.page("data/versions", dag_id=DAG).json()["versions"]
            said = newest["objection"]
    finally:
        objects.put(s3, uri, before)
    assert said == "the decision about it is reject by now, it is 0"
    assert [version["objection"] for version in others] == ["", ""]


def test_the_tab_of_the_deployment_dag_shows_its_pipeline(stack: Stack) -> None:
    answer = stack.page("data/versions", dag_id=DEPLOYMENT)
    assert answer.json()["total"] == 3


def test_the_table_can_be_downloaded(stack: Stack) -> None:
    answer = stack.page("runs.csv", dag_id=DAG, verdict=["pass", "reject"])
    assert answer.headers["content-disposition"] == f'attachment; filename="{PIPELINE}-runs.csv"'
    found = [*csv.DictReader(io.StringIO(answer.body.decode()))]
    assert [row["verdict"] for row in found] == ["pass", "pass", "pass", "reject", "pass"]
    assert found[0]["r2_score"] == "0.7"
    assert float(found[0]["preprocess_seconds"]) > 0
    assert found[3]["version"] == ""


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("data/runs", {}),
        ("data/runs", {"dag_id": "../etc"}),
        ("data/runs", {"dag_id": DAG, "limit": 100_000}),
        ("data/runs", {"dag_id": DAG, "offset": -1}),
        ("data/run", {"dag_id": DAG}),
        ("data/run", {"dag_id": DAG, "run_id": "x" * 500}),
        ("data/jobs", {"dag_id": DAG, "run_id": [str(number) for number in range(60)]}),
        ("data/versions", {"dag_id": DAG, "limit": 0}),
    ],
)
def test_bad_input_is_refused(stack: Stack, path: str, query: dict[str, Any]) -> None:
    assert stack.page(path, **query).status == 422


@pytest.mark.parametrize("run_id", ["../../secret", "no-such-run", "%2e%2e/", "manual__bad/"])
@pytest.mark.parametrize("path", ["data/run", "data/predictions"])
def test_a_run_that_airflow_does_not_know_is_not_looked_for(
    stack: Stack, path: str, run_id: str
) -> None:
    assert stack.page(path, dag_id=DAG, run_id=run_id).status == 404


def test_a_snapshot_that_is_no_date_leads_nowhere(stack: Stack) -> None:
    answer = stack.page("data/run", dag_id=DAG, run_id=SLY.run_id).json()
    assert (answer["snapshot"], answer["run_uri"], answer["verdict"]) == (None, None, "none")


def test_a_broken_record_is_told_and_hides_no_other(stack: Stack) -> None:
    found = rows(stack)
    for past, said in zip(BROKEN, ("is not JSON", "is not a JSON object"), strict=True):
        assert found[past.run_id]["verdict"] == "unknown"
        assert said in found[past.run_id]["explanation"]
    assert found[GOOD.run_id]["verdict"] == "pass"


def test_a_member_of_another_kind_is_told_and_hides_neither_its_run_nor_another(
    stack: Stack,
) -> None:
    found = rows(stack)
    file = stack.page("runs.csv", dag_id=DAG)
    assert file.status == 200
    lines = {row["run_id"]: row for row in csv.DictReader(io.StringIO(file.body.decode()))}
    for past in (*POISONED, ODD_ROWS):
        row, run = found[past.run_id], one(stack, past)
        assert row["verdict"] == "undecidable"
        is_said = bool(row["fault"])
        assert is_said == (POISONED.get(past) != {"explanation": "\ud800"}), past
        assert run["notices"] == ([row["fault"]] if is_said else [])
        assert lines[past.run_id]["fault"] == row["fault"]
        answer = stack.page("data/predictions", dag_id=DAG, run_id=past.run_id)
        assert answer.status == 200
        assert bool(answer.json()["notices"]) == (past is not ODD_ROWS)
    assert {found[past.run_id]["fault"] for past in NEWEST} == {""}
    assert found[ODD_ROWS.run_id]["fault"].endswith("rows is 20640, not an object")


@pytest.mark.parametrize("path", ["data/run", "data/jobs", "data/predictions", "data/log"])
def test_a_nul_in_an_id_is_refused(stack: Stack, path: str) -> None:
    query = {"run_id": "a\0b", "task_id": "train"}
    assert stack.page(path, dag_id=DAG, **query).status == 422
    assert stack.page(path, dag_id="a\0b", **query).status == 422
