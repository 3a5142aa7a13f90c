"""What the page draws of a classifier's report, whatever the report holds."""

from __future__ import annotations

import json
from typing import Any

import pytest
from retraining.web import predictions
from retraining.web.report_pictures import OF_REPORTS, pictured

REPORT = {
    "class_metrics": {
        "-1": {"precision": {"value": 0.5, "standard_deviation": 0.1}, "recall": 0.25},
    },
    "learning_curves": [
        {"epoch": 1, "train_loss": 1.5, "validation_loss": float("nan")},
        {"epoch": 2, "train_loss": 1.0, "validation_loss": 0.9, "note": "x"},
    ],
    "worst_errors": [
        {"text": "<img src=x onerror=alert(1)>", "actual": 1, "predicted": -1, "probability": 0.9},
        {"actual": 1},
    ],
}


def test_each_plot_is_made_of_the_reports_member_of_its_name() -> None:
    nothing = {"value": None, "standard_deviation": None}
    assert pictured(REPORT, OF_REPORTS) == {
        "class_metrics": [
            {
                "label": "-1",
                "precision": {"value": 0.5, "standard_deviation": 0.1},
                "recall": {"value": 0.25, "standard_deviation": None},
                "f1": nothing,
            }
        ],
        "learning_curves": {"train_loss": [1.5, 1.0], "validation_loss": [None, 0.9]},
        "worst_errors": [
            {
                "text": "<img src=x onerror=alert(1)>",
                "actual": "1",
                "predicted": "-1",
                "probability": 0.9,
            }
        ],
    }


def test_what_the_pipeline_does_not_draw_or_the_report_has_not_is_left_out() -> None:
    assert list(pictured(REPORT, ["worst_errors", "confusion_matrix"])) == ["worst_errors"]
    assert pictured({"learning_curves": []}, OF_REPORTS) == {}


@pytest.mark.parametrize(
    "odd", [None, True, 3, 1e999, "text", [], [None], [[]], [{}], {}, {"a": 1}, {"a": {"f1": "x"}},
            [{"text": None}], [{"text": "\ud800", "probability": True}], [{"": 10**400}]],
)  # fmt: skip
def test_any_report_is_drawn_as_far_as_it_can_be(odd: Any) -> None:
    found = pictured(dict.fromkeys(OF_REPORTS, odd), OF_REPORTS)
    assert json.dumps(found, allow_nan=False).encode()


def test_a_run_is_read_with_the_pictures_of_its_report(embedded_sagemaker: Any) -> None:
    s3 = embedded_sagemaker.client("s3")
    s3.create_bucket(Bucket="pictured")
    for name, content in (
        ("predictions.csv", "actual,predicted\n1,-1\n0,0\n"),
        ("evaluation.json", json.dumps(REPORT)),
    ):
        s3.put_object(Bucket="pictured", Key=f"run/evaluation/{name}", Body=content.encode())
    plots = ["confusion_matrix", "worst_errors"]
    found = predictions.read(s3, "s3://pictured/run/", plots)
    assert found["matrix"]["labels"] == ["-1", "0", "1"]
    assert found["pictures"] == pictured(REPORT, ["worst_errors"])
    assert "pictures" not in predictions.read(s3, "s3://pictured/run/", ["confusion_matrix"])
