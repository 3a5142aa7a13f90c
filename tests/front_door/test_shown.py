"""Page, report, notes and mails of a classifier, and of a pipeline in which less is better."""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING, Any

import pytest
from retraining.gate.verdict_line import run_note
from retraining.past_runs import what_if
from retraining.past_runs.reading import read_history
from retraining.past_runs.report import make_report

from local_stack.services.environment import BUCKET
from tests.front_door.conftest import PERSON
from tests.front_door.tickets.land import WORDS

if TYPE_CHECKING:
    from tests.front_door.conftest import Past

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

ACCURACY = "multiclass_classification_metrics.accuracy"
MSE = "regression_metrics.mse"


def note(past: Past, name: str) -> str:
    """The note that the end of a run gets of what its gate's task has left."""
    run = past.runs[name]
    entry = past.api.get(
        f"/api/v2/dags/{run['dag_id']}/dagRuns/{run['run_id'].replace('+', '%2B')}"
        "/taskInstances/check_quality/xcomEntries/verdict_line"
    )
    registered = past.of_run(name, "decision.json")["registered"]
    return run_note(entry["value"], registered and registered["version"])


def reported(past: Past, pipeline: str) -> tuple[list[dict[str, str]], str]:
    """The table and the page that the DAG for reports has written of a pipeline."""
    folder = f"s3://{BUCKET}/{pipeline}/reports/history"
    table = past.project.read(f"{folder}.csv").decode("utf-8-sig")
    return [*csv.DictReader(io.StringIO(table))], past.project.read(f"{folder}.html").decode()


def mails(past: Past, name: str) -> list[Any]:
    return [mail for mail in past.mails.mails if past.runs[name]["run_id"] in mail.text]


class TestClassifier:
    def test_accuracy_is_the_headline(self, past: Past) -> None:
        run = past.shown("passed")
        value = past.report("passed")["multiclass_classification_metrics"]["accuracy"]
        assert run["metric"] == {
            "path": ACCURACY, "name": "accuracy", "better": "higher", "sign": "≥",
            "threshold": 0.8, **value,
        }  # fmt: skip
        assert (run["verdict"], run["version"], run["approval"]) == ("pass", 1, "Approved")
        assert run["parameters"] == {"least_accuracy": 0.8}
        assert run["rows"] == {"snapshot": 1500, "train": 1203, "validation": 0, "test": 297}
        assert run["notices"] == []
        # The matrix is a plot and not nine metrics.
        weighted = ("precision", "recall", "f0_5", "f1", "f2")
        names = ["accuracy", *(f"weighted_{name}" for name in weighted)]
        assert set(run["metrics"]) == {
            f"multiclass_classification_metrics.{name}{of}"
            for name in names
            for of in ("", "_best_constant_classifier")
        }

    def test_the_plot_is_the_confusion_matrix_of_all_test_rows(self, past: Past) -> None:
        answer = past.shown("passed", "predictions")
        assert answer["notices"] == []
        found = answer["found"]
        assert found["plots"] == ["confusion_matrix"]
        assert found["matrix"]["labels"] == sorted(WORDS)
        matrix = past.report("passed")["multiclass_classification_metrics"]["confusion_matrix"]
        assert found["matrix"]["counts"] == [
            [matrix[actual][predicted] for predicted in sorted(WORDS)] for actual in sorted(WORDS)
        ]
        assert found["is_all"]

    def test_each_dag_shows_its_own_runs_of_the_one_pipeline(self, past: Past) -> None:
        strict = past.api.page("data/runs", dag_id="tickets_strict")
        assert [row["run_id"] for row in strict["rows"]] == [past.runs["rejected"]["run_id"]]
        assert strict["rows"][0]["verdict"] == "reject"
        own = past.api.page("data/runs", dag_id="tickets_retraining")["rows"]
        assert [row["verdict"] for row in own] == ["failed", "pass"]
        assert strict["serving"]["endpoint_name"] == "tickets"

    def test_a_report_that_cannot_be_judged_says_why(self, past: Past) -> None:
        run = past.shown("undecidable")
        assert run["verdict"] == "undecidable"
        assert "has no 'accuracy'" in run["explanation"]
        assert (run["metric"]["name"], run["metric"]["value"]) == ("accuracy", None)
        assert run["pipeline"] == "Tickets-Without-Accuracy"

    def test_an_or_is_shown_by_its_first_limit(self, past: Past) -> None:
        metric = past.shown("deep")["metric"]
        assert metric["path"] == "models.linear.test_metrics.accuracy"
        assert (metric["sign"], metric["threshold"]) == (">", 0.8)

    def test_the_report_on_past_runs_has_both_dags(self, past: Past) -> None:
        table, page = reported(past, "tickets")
        assert [(row["verdict"], row["asked"]) for row in table] == [
            ("pass", "accuracy ≥ 0.8"), ("reject", "accuracy ≥ 0.99"),
        ]  # fmt: skip
        assert float(table[0]["accuracy"]) == float(table[1]["accuracy"])
        assert table[0]["standing"] == "deployed"
        heads = re.findall(r"<th[^>]*>(.*?)</th>", page)
        assert heads[2] == "accuracy"

    def test_notes_and_mails_say_what_the_gate_said(self, past: Past) -> None:
        assert re.fullmatch(
            r"accuracy 0\.9\d\d? ≥ 0\.8: registered as version 1", note(past, "passed")
        )
        assert re.fullmatch(r"accuracy 0\.9\d\d? < 0\.99: not registered", note(past, "rejected"))
        (mail,) = mails(past, "rejected")
        assert mail.to == (PERSON,)
        assert mail.subject == "tickets_strict: reject_model failed"
        assert f"the model was rejected: {ACCURACY} = 0.9" in mail.text
        (mail,) = mails(past, "failed")
        assert "column desk: &#39;Biling&#39; is none of Billing, Delivery" in mail.text
        (mail,) = mails(past, "undecidable")
        assert "Nothing was registered" in mail.text
        assert mails(past, "passed") == []


class TestLessIsBetter:
    def test_the_threshold_is_the_most_that_is_allowed(self, past: Past) -> None:
        light, heavy = past.shown("light"), past.shown("heavy")
        value = past.report("light")["regression_metrics"]["mse"]
        assert light["metric"] == {
            "path": MSE, "name": "mse", "better": "lower", "sign": "≤", "threshold": 6.0, **value,
        }  # fmt: skip
        assert 4 < value["value"] < 6
        assert (light["verdict"], light["version"]) == ("pass", 1)
        assert (heavy["verdict"], heavy["version"]) == ("reject", None)
        assert heavy["explanation"] == f"{MSE} = {value['value']} is not ≤ 3.5"

    def test_its_plots_are_of_numbers(self, past: Past) -> None:
        found = past.shown("light", "predictions")["found"]
        assert found["plots"] == ["predicted_against_actual", "residuals"]
        assert found["rows"] == past.report("light")["rows"]["test"]

    def test_the_report_on_past_runs_asks_for_at_most(self, past: Past) -> None:
        table, page = reported(past, "abalone")
        assert [(row["verdict"], row["asked"]) for row in table] == [
            ("pass", "mse ≤ 6"), ("reject", "mse ≤ 3.5"),
        ]  # fmt: skip
        heads = re.findall(r"<th[^>]*>(.*?)</th>", page)
        assert heads[2] == "mse"

    def test_what_if_takes_a_limit_as_an_upper_one(self, past: Past) -> None:
        s3 = past.project.sagemaker.client("s3")
        history = read_history(s3, BUCKET, pipeline="abalone")
        for limit, verdicts in ((7, ["pass"] * 2), (3, ["reject"] * 2)):
            rejudged = what_if.what_if(history.runs, what_if.limit(history.runs, limit))
            assert [item.decision.verdict for item in rejudged] == verdicts
        report = make_report(history, pipeline="abalone", rejudged=rejudged)
        assert "What if the gate asked for mse ≤ 3: 0 passed, 2 rejected" in report.page

    def test_what_if_of_the_classifier_takes_it_as_a_lower_one(self, past: Past) -> None:
        s3 = past.project.sagemaker.client("s3")
        history = read_history(s3, BUCKET, pipeline="tickets")
        rejudged = what_if.what_if(history.runs, what_if.limit(history.runs, 0.999))
        assert [item.decision.verdict for item in rejudged] == ["reject"] * 2

    def test_notes_say_which_way_the_gate_looks(self, past: Past) -> None:
        assert re.fullmatch(
            r"mse \d\.\d+ ≤ 6\.0; mse: no champion: registered as version 1", note(past, "light")
        )
        assert re.fullmatch(r"mse \d\.\d+ > 3\.5: not registered", note(past, "heavy"))
        # It ended well, as its parameter when_rejected says.
        assert mails(past, "heavy") == []
