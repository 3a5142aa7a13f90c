"""A run's parameters, looked at before there is a report."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from retraining.gate.conditions import (
    Equals,
    GreaterThan,
    GreaterThanOrEqualTo,
    In,
    LessThan,
    Metric,
    Not,
    Or,
    Parameter,
)
from retraining.gate.judging import check_parameters, judge
from retraining.gate.report import UndecidableError

M, P, Q = Metric("m"), Parameter("p"), Parameter("q")


@pytest.mark.parametrize(
    ("condition", "parameters", "words"),
    [
        (GreaterThan(M, P), {}, "the run has no parameter p"),
        (LessThan(P, M), {"p": "1"}, r'parameter p: "1" is a text; < compares numbers only'),
        (Equals(M, P), {"p": math.inf}, "parameter p is inf, not a finite number"),
        (Equals(M, P), {"p": [1]}, "parameter p is a list"),
        (
            Equals(P, 3),
            {"p": "3"},
            r'parameter p: "3" \(text\) cannot be compared with 3 \(number\)',
        ),
        (Equals(P, Q), {"p": True, "q": 1}, "parameter p and q: true .* cannot be compared with 1"),
        (In(M, (1, P)), {"p": "1"}, r"parameter p: .*cannot be compared"),
        (In(M, (P, Q)), {"p": 1, "q": "1"}, r"parameter p and q: .*cannot be compared"),
        (In(P, (M, "a")), {"p": 1}, r"parameter p: .*cannot be compared"),
        (In(P, (M,)), {"p": math.nan}, "parameter p is nan"),
        (Not(Or((Not(GreaterThan(M, 0)), GreaterThan(M, P)))), {"p": "1"}, "parameter p"),
        (Or((GreaterThan(M, 0), In(M, (P,)))), {}, "the run has no parameter p"),
        (Equals(M, P), {"p": "x" * 1_001}, "parameter p is a text of more than 1,000"),
    ],
)
def test_what_no_report_could_be_judged_by_names_the_parameter(
    condition: Any, parameters: dict[str, Any], words: str
) -> None:
    with pytest.raises(UndecidableError, match=words):
        check_parameters(condition, parameters)


values = st.sampled_from([1, 0.5, "a", True, math.nan, None, [1]])
leaves = st.sampled_from([
    GreaterThan(M, P), LessThan(P, M), Equals(M, P), Equals(P, Q), In(M, (P, Q)), In(P, (M, Q)),
    GreaterThanOrEqualTo(P, Q),
])  # fmt: skip


@given(st.data())
def test_what_is_let_through_can_be_judged_with_some_report_and_nothing_else_can(
    data: st.DataObject,
) -> None:
    condition = data.draw(leaves | leaves.map(Not))
    parameters = data.draw(st.dictionaries(st.sampled_from("pq"), values))
    try:
        check_parameters(condition, parameters)
        is_well = True
    except UndecidableError:
        is_well = False
    judged = []
    for content in ("1", '"a"', "true"):
        try:
            judged.append(judge(condition, {"m": json.loads(content)}, parameters).holds)
        except UndecidableError:
            continue
    assert is_well == bool(judged)
