from __future__ import annotations

from typing import Any

import pytest
from retraining import gate
from retraining.conditions import (
    Equals,
    GreaterThan,
    In,
    LessThan,
    Metric,
    Not,
    Or,
    Parameter,
)
from retraining.web.decisions import Limit, first_limit, metrics_of


def conditions(*policy: Any) -> list[dict[str, Any]]:
    report = b'{"m": {"r2": {"value": 0.7}, "rmse": 0.5, "kind": "x"}}'
    decision = gate.decide(report, policy, parameters={"least": 0.6})
    return [{"condition": judgement.condition} for judgement in decision.judgements]


@pytest.mark.parametrize(
    ("policy", "limit"),
    [
        ([GreaterThan(Metric("m.r2"), Parameter("least"))], Limit("m.r2", ">", 0.6)),
        ([Not(LessThan(Metric("m.r2"), 0.5))], Limit("m.r2", "<", 0.5)),
        (
            [Or((Equals(Metric("m.kind"), "x"), LessThan(Metric("m.rmse"), 1)))],
            Limit("m.rmse", "<", 1.0),
        ),
        ([In(Metric("m.kind"), ("x", "y"))], None),
        (
            [Equals(Metric("m.kind"), "x"), GreaterThan(Metric("m.r2"), 0)],
            Limit("m.r2", ">", 0.0),
        ),
    ],
)
def test_the_charts_line_is_the_gates_first_comparison_with_a_number(
    policy: list[Any], limit: Limit | None
) -> None:
    assert first_limit(conditions(*policy)) == limit


@pytest.mark.parametrize("wire", [None, [], "x", {}, {"Type": "Equals"}, {"Conditions": [None]}])
def test_a_condition_that_is_none_has_no_limit(wire: Any) -> None:
    assert first_limit([{"condition": wire}]) is None


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
