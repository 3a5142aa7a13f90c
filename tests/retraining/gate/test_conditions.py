from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from retraining.gate.conditions import (
    Condition,
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
    PolicyError,
)
from retraining.gate.judging import judge
from retraining.gate.report import Measure, UndecidableError, metrics_in
from retraining.gate.wire_form import to_wire

if TYPE_CHECKING:
    from collections.abc import Callable

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
        (10**400, "too large a number, not a finite number"),
        ("x" * 1_001, "a text of more than 1,000 characters"),
    ],
)
def test_what_is_no_number_is_undecidable(value: object, words: str) -> None:
    condition = GreaterThanOrEqualTo(Metric("metrics.r2"), 0.6)
    with pytest.raises(UndecidableError, match=words):
        judge(condition, {"metrics": {"r2": value}}, {})


def test_a_missing_metric_names_what_is_there() -> None:
    with pytest.raises(UndecidableError, match="metrics has no 'r2'; it has mae, mse"):
        judge(GreaterThan(Metric("metrics.r2"), 0), {"metrics": {"mse": 1, "mae": 2}}, {})


@pytest.mark.parametrize(
    "path",
    ["", "a..", "a[", "a['x]", "[x]", "a b", "['a']b", "a[0]b", "a[٠]", "a[1111111111]", None, 1],
)
def test_what_is_no_path_is_refused_when_the_metric_is_made(path: Any) -> None:
    with pytest.raises(PolicyError, match="is no path in a report"):
        Metric(path)


A, TEXT = Metric("m.a"), Metric("s")
HOLDS = GreaterThan(A, 1)


def deep(levels: int) -> Condition:
    """A condition within as many."""
    return Or((deep(levels - 1),)) if levels else HOLDS


@pytest.mark.parametrize(
    ("make", "words"),
    [
        # What can be walked once only, or in another way than was meant.
        (lambda: In(TEXT, ("failed")), "In: a tuple of values is wanted, not 'failed'; one of a"),
        (lambda: In(TEXT, (value for value in "ab")), "a tuple of values is wanted"),  # type: ignore[arg-type]
        (lambda: In(TEXT, {"a": 1}), "a tuple of values is wanted"),  # type: ignore[arg-type]
        (lambda: In(TEXT, {"a", "b"}), "a tuple of values is wanted"),  # type: ignore[arg-type]
        (lambda: Or(condition for condition in (HOLDS,)), "Or: a tuple of conditions is wanted"),  # type: ignore[arg-type]
        (lambda: Or(map(Not, (HOLDS,))), "a tuple of conditions is wanted"),  # type: ignore[arg-type]
        (lambda: Or(HOLDS), "a tuple of conditions is wanted"),  # type: ignore[arg-type]
        # What holds, or does not, whatever the report is.
        (lambda: Or(()), "Or: it has no conditions"),
        (lambda: In(TEXT, ()), "In: it has no values"),
        (lambda: GreaterThanOrEqualTo(A, A), "GreaterThanOrEqualTo: .* is compared with itself"),
        (lambda: Equals(A, Metric("['m']['a'].value")), "is compared with itself"),
        (lambda: Equals(Parameter("p"), Parameter("p")), "is compared with itself"),
        (lambda: In(A, (1, Metric("m.a.value"))), "is compared with itself"),
        (lambda: Equals(1, 1), "Equals: it compares 1 with values alone"),
        (
            lambda: Equals("m.status", "ok"),
            r"values alone; write Metric\(…\) for one",
        ),
        (lambda: In("a", ("a", "b")), "values alone"),
        (lambda: Or((HOLDS, Not(HOLDS))), "a condition and its opposite"),
        (lambda: Or((LessThan(A, 1), GreaterThanOrEqualTo(A, 1))), "a condition and its opposite"),
        # No condition, and no operand.
        (lambda: Not(A), "Not: .* is no condition"),  # type: ignore[arg-type]
        (lambda: Or((HOLDS, 1)), "Or: 1 is no condition"),  # type: ignore[arg-type]
        (lambda: deep(21), "nested deeper than 20"),
        (lambda: LessThan(A, math.nan), "LessThan: the operand nan is nan, not a finite number"),
        (lambda: GreaterThan(A, -math.inf), "not a finite number"),
        (lambda: GreaterThan(A, 10**400), "too large a number, not a finite number"),
        (lambda: GreaterThan(A, 10**5_000), "too large a number, not a finite number"),
        (lambda: Equals(A, None), "is null, not a number, text or truth value"),  # type: ignore[arg-type]
        (lambda: Equals(A, HOLDS), "is an object, not a number"),  # type: ignore[arg-type]
        (lambda: Equals(TEXT, "x" * 1_001), "is a text of more than 1,000 characters"),
        (lambda: In(A, [[1]]), r"the operand \[1\] is a list"),  # type: ignore[list-item, arg-type]
        (lambda: GreaterThan("m.a", 1), "GreaterThan: it compares 'm.a' with values alone"),
        (lambda: GreaterThan("m.a", Parameter("p")), r"'m.a' is no number; write Metric\(…\)"),
        (lambda: GreaterThan(A, True), "True is no number"),
        (lambda: Parameter(""), "a parameter's name is wanted"),
        (lambda: Parameter(A), "a parameter's name is wanted"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_meant_is_refused_when_it_is_made(
    make: Callable[[], object], words: str
) -> None:
    with pytest.raises(PolicyError, match=words):
        make()


def test_a_list_is_kept_as_a_tuple() -> None:
    values = ["a", "b"]
    condition = Or([In(TEXT, values), HOLDS])  # type: ignore[arg-type]
    values.clear()
    assert condition == Or((In(TEXT, ("a", "b")), HOLDS))
    assert judge(condition, {"s": "a", "m": {"a": 0}}, {}).holds
    assert deep(20)


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


@pytest.mark.parametrize("path", ["m.score", "m.score.value", "m['score'].value.value"])
def test_a_metric_is_the_same_however_it_is_spelled(path: str) -> None:
    report = {"m": {"score": {"value": {"value": 0.7}}}}
    assert judge(Equals(Metric(path), 0.7), report, {}).holds
    assert [*metrics_in(report, named=[path]).measures.values()] == [Measure(0.7)]


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
