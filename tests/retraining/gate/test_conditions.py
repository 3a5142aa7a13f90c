from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from retraining.gate.conditions import (
    Equals,
    GreaterThan,
    GreaterThanOrEqualTo,
    In,
    LessThan,
    LessThanOrEqualTo,
    Metric,
    Not,
    Or,
    Parameter,
    UndecidableError,
    judge,
    to_wire,
)

finite = st.floats(allow_nan=False, allow_infinity=False) | st.integers()


@given(finite, finite)
def test_comparisons_agree_with_the_numbers(left: float, right: float) -> None:
    report = {"a": left, "b": {"value": right, "standard_deviation": 0.1}}
    expected = {
        Equals: left == right,
        GreaterThan: left > right,
        GreaterThanOrEqualTo: left >= right,
        LessThan: left < right,
        LessThanOrEqualTo: left <= right,
    }
    for kind, holds in expected.items():
        condition = kind(Metric("a"), Metric("b"))
        assert judge(condition, report, {}).holds is holds
        assert judge(Not(condition), report, {}).holds is not holds


@given(st.lists(finite, min_size=1), finite)
def test_in_and_or_say_the_same(values: list[float], value: float) -> None:
    several = tuple(values)
    report = {"m": value}
    is_in = judge(In(Metric("m"), several), report, {}).holds
    either = Or(tuple(Equals(Metric("m"), item) for item in several))
    assert is_in is judge(either, report, {}).holds is (value in values)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "is null"),
        (math.nan, "nan, not a finite number"),
        (math.inf, "inf, not a finite number"),
        (True, "truth value"),
        ("0.7", "text"),
        ([1], "is a list"),
        ({"mean": 1}, "is an object"),
        ({"value": None}, "metrics.r2.value of the report is null"),
    ],
)
def test_what_is_no_number_is_undecidable(value: object, words: str) -> None:
    condition = GreaterThanOrEqualTo(Metric("metrics.r2"), 0.6)
    with pytest.raises(UndecidableError, match=words):
        judge(condition, {"metrics": {"r2": value}}, {})


def test_a_missing_metric_names_what_is_there() -> None:
    with pytest.raises(UndecidableError, match="metrics has no 'r2'; it has mae, mse"):
        judge(GreaterThan(Metric("metrics.r2"), 0), {"metrics": {"mse": 1, "mae": 2}}, {})


@pytest.mark.parametrize("path", ["a..", "a[", "a['x]", "[x]", "a b"])
def test_a_malformed_path_is_undecidable(path: str) -> None:
    with pytest.raises(UndecidableError):
        judge(Equals(Metric(path), 1), {"a": {"x": 1}}, {})


def test_paths_reach_lists_and_odd_names() -> None:
    report = {"classes": [{"f1.macro": 0.5}]}
    assert judge(Equals(Metric("classes[0]['f1.macro']"), 0.5), report, {}).holds


def test_all_operands_are_resolved_even_if_one_condition_holds() -> None:
    either = Or((Equals(Metric("here"), 1), Equals(Metric("missing"), 1)))
    with pytest.raises(UndecidableError, match="missing"):
        judge(either, {"here": 1}, {})


def test_values_are_shown_in_full() -> None:
    condition = GreaterThanOrEqualTo(Metric("r2"), Parameter("least"))
    judgement = judge(condition, {"r2": 0.5999999999}, {"least": 0.6})
    assert judgement.explanation == "r2 = 0.5999999999 is not ≥ 0.6"
    assert judgement.operands == {"r2": 0.5999999999, "parameter least": 0.6}


def test_a_missing_parameter_is_undecidable() -> None:
    with pytest.raises(UndecidableError, match="no parameter least"):
        judge(LessThan(Parameter("least"), 1), {}, {})


def test_the_wire_form_is_sagemakers() -> None:
    condition = Not(Or((In(Metric("a"), (1, "x")), LessThan(Metric("b"), Parameter("p")))))
    assert json.loads(json.dumps(to_wire(condition, {"p": 3}))) == {
        "Type": "Not",
        "Condition": {
            "Type": "Or",
            "Conditions": [
                {"Type": "In", "QueryValue": {"Std:JsonGet": {"Path": "a"}}, "Values": [1, "x"]},
                {
                    "Type": "LessThan",
                    "LeftValue": {"Std:JsonGet": {"Path": "b"}},
                    "RightValue": 3,
                },
            ],
        },
    }
