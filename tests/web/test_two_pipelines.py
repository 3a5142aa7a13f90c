"""Two pipelines in one Airflow: of one more is better, of the other less."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

import pytest

from tests.web.conftest import GOOD, HEAVY, LIGHT, OLD_SEX, SEX, SHELL_RUNS, History
from tests.web.past import SHELLS_DAG
from tests.web.stack import DAG, SHELLS_DEPLOYMENT, Stack

if TYPE_CHECKING:
    from tests.web.past import Past

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

MSE = "regression_metrics.mse"
ACCURACY = "multiclass_classification_metrics.accuracy"


def runs(stack: Stack, dag_id: str) -> dict[str, dict[str, Any]]:
    answer = stack.page("data/runs", "vera", dag_id=dag_id).json()
    assert answer["notices"] == []
    return {row["run_id"]: row for row in answer["rows"]}


def predictions(stack: Stack, past: Past) -> dict[str, Any]:
    answer = stack.page("data/predictions", dag_id=past.kind.dag_id, run_id=past.run_id)
    assert answer.status == 200, answer.body
    found: dict[str, Any] = answer.json()
    return found


def test_each_has_its_own_runs(stack: Stack) -> None:
    shells = runs(stack, SHELLS_DAG)
    assert [*shells] == [past.run_id for past in SHELL_RUNS]
    assert not set(shells) & set(runs(stack, DAG))


def test_each_is_shown_by_its_own_headline(stack: Stack) -> None:
    row = runs(stack, SHELLS_DAG)[LIGHT.run_id]
    assert row["metric"] == {
        "path": MSE,
        "name": "mse",
        "better": "lower",
        "sign": "≤",
        "threshold": 6.0,
        "value": 4.9,
        "standard_deviation": 0.2,
    }
    assert (row["verdict"], row["version"]) == ("pass", 1)
    assert runs(stack, DAG)[GOOD.run_id]["metric"]["better"] == "higher"


def test_more_than_the_most_that_is_allowed_is_rejected(stack: Stack) -> None:
    run = stack.page("data/run", dag_id=SHELLS_DAG, run_id=HEAVY.run_id).json()
    assert (run["verdict"], run["conditions"][0]["holds"]) == ("reject", False)
    assert run["explanation"] == f"{MSE} = 6.8 is not ≤ 6.0"
    assert run["parameters"] == {"mse_threshold": 6.0}


def test_a_pipeline_may_have_been_another_one(stack: Stack) -> None:
    row = runs(stack, SHELLS_DAG)[SEX.run_id]
    assert (row["metric"]["path"], row["metric"]["better"]) == (ACCURACY, "higher")
    assert row["unusable"] == {"multiclass_classification_metrics.recall": "NaN"}


@pytest.mark.parametrize("past", [SEX, OLD_SEX])
def test_labels_are_counted_whether_the_record_says_so_or_not(stack: Stack, past: Past) -> None:
    found = predictions(stack, past)["found"]
    assert found["plots"] == ["confusion_matrix"]
    assert found["matrix"]["labels"] == ["F", "I", "M"]
    assert found["matrix"]["counts"] == [[1, 0, 1], [0, 1, 0], [1, 0, 1]]
    assert (found["rows"], found["is_all"], "points" in found) == (5, True, False)


def test_labels_where_numbers_should_be_are_told(stack: Stack) -> None:
    answer = predictions(stack, LIGHT)
    assert answer["found"] is None
    assert "line 2 has no two numbers" in answer["notices"][0]


def test_each_has_its_own_versions(history: History) -> None:
    for dag_id in (SHELLS_DAG, SHELLS_DEPLOYMENT):
        (version,) = history.stack.page("data/versions", dag_id=dag_id).json()["versions"]
        assert (version["number"], version["run_id"]) == (1, LIGHT.run_id)
        told = {name: version["metadata"][name] for name in ("headline", "better", "mse")}
        assert told == {"headline": MSE, "better": "lower", "mse": "4.9"}
    houses = history.stack.page("data/versions", dag_id=DAG).json()["versions"]
    assert [version["metadata"].get("headline") for version in houses] == [
        None, "regression_metrics.r2_score", "regression_metrics.r2_score",
    ]  # fmt: skip


def test_an_action_is_on_the_pipeline_of_its_dag(history: History) -> None:
    wish = {"version": 2, "comment": "x", "seen": "Approved"}
    answer = history.stack.act("reject", body=wish, dag_id=SHELLS_DAG)
    assert answer.status == 404, answer.body


def test_each_has_its_own_file(stack: Stack) -> None:
    answer = stack.page("runs.csv", dag_id=SHELLS_DAG)
    assert answer.headers["content-disposition"] == 'attachment; filename="abalone-runs.csv"'
    found = [*csv.DictReader(io.StringIO(answer.body.decode()))]
    assert [(row["metric"], row["threshold"]) for row in found] == [
        ("mse", "6.0"), ("mse", "6.0"), ("accuracy", "0.5"), ("accuracy", "0.5"),
    ]  # fmt: skip
    assert [row["mse"] for row in found] == ["4.9", "6.8", "", ""]
    assert [row["accuracy"] for row in found] == ["", "", "0.55", "0.45"]


def test_each_has_buttons_and_notes_of_its_own(stack: Stack) -> None:
    path = f"/api/v2/dags/{SHELLS_DAG}/dagRuns/{LIGHT.run_id}"
    links = stack.ask(f"{path}/taskInstances/register_model/links", "vera").json()["extra_links"]
    assert links["Model version"] == (
        f"/plugin/model-quality/model-quality/?dag_id={SHELLS_DAG}#versions"
    )
    assert stack.ask(path).json()["note"] == "mse 4.9 ≤ 6.0: registered as version 1"
