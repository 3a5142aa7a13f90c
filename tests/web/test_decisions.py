from __future__ import annotations

from retraining.web.decisions import metrics_of


def test_metrics_are_the_leaves_with_a_value() -> None:
    report = {
        "regression_metrics": {
            "r2_score": {"value": 0.7, "standard_deviation": 0.01},
            "mae": {"value": 1},
            "broken": {"value": None},
            "words": {"value": "x"},
            "infinite": {"value": float("inf")},
        },
        "rows": {"train": 5},
    }
    assert metrics_of(report) == {"r2_score": (0.7, 0.01), "mae": (1.0, None)}
