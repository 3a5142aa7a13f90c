from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.scripts.product_reviews.conftest import Reviews
from tests.scripts.product_reviews.made_up import reviews

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.scripts.jobs import Outcome


@pytest.fixture(scope="module")
def evaluated(
    run_torch: Callable[..., Outcome], pretrained: Path, tmp_path_factory: pytest.TempPathFactory
) -> Reviews:
    """A model of reviews whose stars are wrong here and there, so that it errs."""
    place = Reviews(tmp_path_factory.mktemp("evaluated"), pretrained, run_torch)
    place.land([*reviews(400, wrong=0.3)])
    for done in (place.preprocess(), place.train("--epochs", 2), place.evaluate()):
        assert done.code == 0, done.stderr
    return place


@pytest.fixture
def report(evaluated: Reviews) -> dict[str, Any]:
    return json.loads((evaluated.folder / "evaluation" / "evaluation.json").read_text())


def test_the_report_has_each_metric_with_its_deviation(report: dict[str, Any]) -> None:
    metrics = report["multiclass_classification_metrics"]
    names = [name for name in metrics if name != "confusion_matrix"]
    assert {"accuracy", "weighted_precision", "weighted_recall", "weighted_f1"} < {*names}
    constant = metrics["accuracy_best_constant_classifier"]["value"]
    assert constant == max(sum(row.values()) for row in metrics["confusion_matrix"].values()) / 39
    assert set(report["class_metrics"]) == {"-1", "0", "1"}
    of_labels = [
        measure for label in report["class_metrics"].values() for measure in label.values()
    ]
    for measure in [*(metrics[name] for name in names), *of_labels]:
        assert 0 <= measure["value"] <= 1
        assert measure["standard_deviation"] >= 0
    matrix = metrics["confusion_matrix"]
    assert sum(sum(row.values()) for row in matrix.values()) == report["rows"]["test"] == 39
    recall = matrix["1"]["1"] / sum(matrix["1"].values())
    assert report["class_metrics"]["1"]["recall"]["value"] == pytest.approx(recall)


def test_the_report_tells_what_one_review_takes(report: dict[str, Any]) -> None:
    serving = report["serving_metrics"]
    assert 0 < serving["latency_p50_ms"] <= serving["latency_p99_ms"]
    assert 0 < serving["timed_requests"] <= 40
    assert serving["archive_bytes"] > 10_000


def test_the_report_says_what_less_would_have_reached(
    report: dict[str, Any], evaluated: Reviews
) -> None:
    train = [row["sentiment"] for row in evaluated.split("train")]
    test = [row["sentiment"] for row in evaluated.split("test")]
    most = max(set(train), key=train.count)
    found = report["baselines"]["majority_class"]["accuracy"]
    assert found == pytest.approx(test.count(most) / len(test))
    assert found < report["baselines"]["tfidf_logistic_regression"]["accuracy"] <= 1


def test_the_worst_errors_are_those_that_the_model_was_surest_of(
    report: dict[str, Any], evaluated: Reviews
) -> None:
    errors = report["worst_errors"]
    wrong = 39 * (1 - report["multiclass_classification_metrics"]["accuracy"]["value"])
    assert len(errors) == min(20, round(wrong)) > 0
    assert [e["probability"] for e in errors] == sorted(
        (e["probability"] for e in errors), reverse=True
    )
    truth = {row["text"]: row["sentiment"] for row in evaluated.split("test")}
    for error in errors:
        assert truth[error["text"]] == error["actual"] != error["predicted"]


def test_what_an_endpoint_must_answer_is_what_evaluation_saw(evaluated: Reviews) -> None:
    smoke = json.loads((evaluated.folder / "evaluation" / "smoke.json").read_text())
    assert (smoke["content_type"], smoke["accept"]) == ("application/json", "application/json")
    request = smoke["requests"][0]
    assert set(json.loads(request["body"])) == {"features"}
    (answer,) = request["expected"]["predictions"]
    assert set(answer) == {"label", "probability"}
    lines = (evaluated.folder / "evaluation" / "predictions.csv").read_text().splitlines()
    assert lines[1].split(",")[1] == str(answer["label"])
