from __future__ import annotations

from typing import Any

import pytest
from retraining.gate.bounds import Bound, bounds, first_bound
from retraining.gate.conditions import (
    Equals,
    GreaterThan,
    In,
    LessThan,
    Metric,
    Not,
    Or,
    Parameter,
)
from retraining.gate.report import finite
from retraining.gate.wire_form import to_wire

R2, RMSE, KIND = Metric("m.r2"), Metric("m.rmse"), Metric("m.kind")


def wire(*policy: Any) -> list[dict[str, object]]:
    return [to_wire(condition, {"least": 0.6}) for condition in policy]


def test_bounds_are_of_conditions_that_compare_one_metric_with_a_number() -> None:
    policy = wire(
        GreaterThan(R2, 0.5),
        LessThan(RMSE, Parameter("least")),
        LessThan(RMSE, R2),
        Or((GreaterThan(R2, 0.1),)),
        GreaterThan(Parameter("least"), 0.5),
        Equals(R2, 0.5),
        Equals(KIND, "x"),
    )
    assert bounds(policy) == (Bound("m.r2", ">", 0.5), Bound("m.rmse", "<", 0.6))


@pytest.mark.parametrize(
    ("policy", "bound"),
    [
        ([GreaterThan(R2, Parameter("least"))], Bound("m.r2", ">", 0.6)),
        ([Not(LessThan(R2, 0.5))], Bound("m.r2", "≥", 0.5)),
        ([Not(Or((LessThan(R2, 0.5), LessThan(RMSE, 1))))], Bound("m.r2", "≥", 0.5)),
        ([Not(Not(LessThan(R2, 0.5)))], Bound("m.r2", "<", 0.5)),
        ([Not(Equals(R2, 0.5)), GreaterThan(RMSE, 1)], Bound("m.rmse", ">", 1.0)),
        ([Or((Equals(KIND, "x"), LessThan(RMSE, 1)))], Bound("m.rmse", "<", 1.0)),
        ([Equals(R2, 1)], Bound("m.r2", "=", 1.0)),
        ([In(KIND, ("x", "y"))], None),
        ([Equals(KIND, "x"), GreaterThan(R2, 0)], Bound("m.r2", ">", 0.0)),
        ([Or((Equals(KIND, "x"),)), Not(GreaterThan(R2, 0))], Bound("m.r2", "≤", 0.0)),
    ],
)
def test_the_first_bound_is_found_inside_other_conditions_too(
    policy: list[Any], bound: Bound | None
) -> None:
    assert first_bound(wire(*policy)) == bound


def test_a_number_on_the_left_bounds_the_metric_on_the_right() -> None:
    assert bounds(wire(GreaterThan(6, RMSE), LessThan(Parameter("least"), R2))) == (
        Bound("m.rmse", "<", 6.0),
        Bound("m.r2", ">", 0.6),
    )


@pytest.mark.parametrize("path", ["m.r2", "m.r2.value", "m['r2']", 'm["r2"].value', "['m'].r2"])
def test_a_metric_has_one_spelling(path: str) -> None:
    assert bounds(wire(GreaterThan(Metric(path), 0.5))) == (Bound("m.r2", ">", 0.5),)


@pytest.mark.parametrize(
    "condition",
    [
        None,
        [],
        "x",
        {},
        {"Type": "Equals"},
        {"Type": ["Equals"], "LeftValue": {"Std:JsonGet": {"Path": "m"}}, "RightValue": 1},
        {"Type": "Equals", "LeftValue": {"Std:JsonGet": "m"}, "RightValue": 1},
        {"Type": "LessThan", "LeftValue": {"Std:JsonGet": {"Path": 1}}, "RightValue": 1},
        {"Conditions": [None]},
    ],
)
def test_a_condition_that_is_none_bounds_nothing(condition: Any) -> None:
    assert first_bound([condition]) is None
    assert bounds([condition]) == ()


@pytest.mark.parametrize("value", [True, "1", None, [], float("nan"), float("inf"), 10**400])
def test_what_is_no_finite_number_is_none(value: object) -> None:
    assert finite(value) is None
    assert first_bound([wire(GreaterThan(R2, 1))[0] | {"RightValue": value}]) is None


def test_a_whole_number_is_a_number() -> None:
    assert finite(3) == 3.0
