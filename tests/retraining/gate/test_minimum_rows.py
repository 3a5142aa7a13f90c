"""A metric that rests on too few rows is no ground for a verdict."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
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
    PolicyError,
)
from retraining.gate.decision import Verdict, decide
from retraining.gate.policy import chosen
from retraining.gate.wire_form import to_wire

from tests.retraining.declarations import pipeline

SCORE = Metric("m.score", minimum_rows=500)
AT_LEAST = GreaterThanOrEqualTo(SCORE, 0.6)


def report(test: object, **rows: object) -> bytes:
    leaf = {"value": 0.7, "standard_deviation": 0.01}
    return json.dumps(
        {"m": {"score": leaf, "b": 0.7}, "rows": {"test": test, **rows}, "n": 3}
    ).encode()


@given(st.integers(0, 1_000), st.integers(1, 1_000))
def test_exactly_the_floor_is_enough(count: int, minimum: int) -> None:
    policy = [GreaterThan(Metric("m.score", minimum_rows=minimum), 0)]
    verdict = decide(report(count), policy, parameters={}).verdict
    assert verdict is (Verdict.PASS if count >= minimum else Verdict.UNDECIDABLE)


def test_below_it_says_how_many_rows_there_are() -> None:
    decision = decide(report(12), [AT_LEAST], parameters={})
    assert decision.explanation == (
        "undecidable: m.score rests on 12 test rows, fewer than the 500 it asks for"
    )
    assert decision.judgements == ()


@pytest.mark.parametrize(
    ("count", "words"),
    [
        ("many", "rows.test of the report is a text, not a number of rows"),
        (True, "rows.test of the report is a truth value"),
        (None, "rows.test of the report is null"),
        (math.nan, "rows.test of the report is NaN"),
        (math.inf, "rows.test of the report is inf"),
        ([600], "rows.test of the report is a list"),
        ({"n": 600}, "rows.test of the report is an object"),
        (10**400, "rows.test of the report is too large a number"),
        (-600, "rests on -600 test rows"),
        (499.5, "rests on 499.5 test rows"),
    ],
)
def test_what_is_no_count_of_so_many_rows_is_undecidable(count: object, words: str) -> None:
    decision = decide(report(count), [AT_LEAST], parameters={})
    assert decision.verdict is Verdict.UNDECIDABLE
    assert words in decision.explanation


@pytest.mark.parametrize("content", [{"m": {"score": 0.7}}, {"m": {"score": 0.7}, "rows": 900}])
def test_a_report_that_does_not_count_is_undecidable(content: object) -> None:
    decision = decide(json.dumps(content).encode(), [AT_LEAST], parameters={})
    assert decision.verdict is Verdict.UNDECIDABLE
    assert "m.score asks for 500 rows, and the report does not count them: " in decision.explanation


def test_the_count_may_lie_elsewhere() -> None:
    elsewhere = Metric("m.score", minimum_rows=500, rows="rows.validation")
    policy = [GreaterThan(elsewhere, 0)]
    assert decide(report(1, validation=500), policy, parameters={}).verdict is Verdict.PASS
    said = decide(report(900, validation=499), policy, parameters={}).explanation
    assert "m.score rests on 499 validation rows, fewer" in said
    policy = [GreaterThan(Metric("m.score", minimum_rows=4, rows="n"), 0)]
    assert "rests on 3 rows (n), fewer than the 4" in (
        decide(report(900), policy, parameters={}).explanation
    )


@pytest.mark.parametrize(
    "condition",
    [
        Or((GreaterThan(Metric("m.b"), 0), AT_LEAST)),
        Or((Not(GreaterThan(Metric("m.b"), 0)), LessThan(0.1, SCORE))),
        Not(LessThan(SCORE, 0.6)),
        In(SCORE, (0.7, 0.8)),
        In(Metric("m.b"), (0.1, SCORE)),
        Equals(Metric("m.b"), SCORE),
        GreaterThan(Metric("m['score'].value", minimum_rows=500), 0),
        GreaterThan(Metric(Parameter("which"), minimum_rows=500), 0),
        Not(Or((Equals(0.1, Metric(Parameter("which"), minimum_rows=500)),))),
    ],
)
def test_it_holds_wherever_the_metric_stands_and_however_it_is_spelled(condition: Any) -> None:
    parameters = {"which": "m.score"}
    decision = decide(report(500), [condition], parameters=parameters)
    assert decision.verdict is Verdict.PASS
    (judgement,) = decision.judgements
    assert judgement.operands["rows.test"] == 500
    (asked,) = judgement.minimum_rows
    assert (asked["rows"], asked["minimum"]) == ("rows.test", 500)
    few = decide(report(499), [condition], parameters=parameters)
    assert few.verdict is Verdict.UNDECIDABLE
    assert "rests on 499 test rows, fewer than the 500" in few.explanation


def test_it_is_in_the_record_and_the_condition_stays_sagemakers() -> None:
    (judgement,) = decide(report(500), [AT_LEAST], parameters={}).judgements
    assert asdict(judgement) == {
        "condition": to_wire(GreaterThanOrEqualTo(Metric("m.score"), 0.6), {}),
        "operands": {"m.score": 0.7, "rows.test": 500},
        "holds": True,
        "explanation": "m.score = 0.7 is ≥ 0.6",
        "minimum_rows": ({"metric": "m.score", "rows": "rows.test", "minimum": 500},),
    }


def test_another_floor_is_another_policy_and_none_keeps_its_hash() -> None:
    metrics = [
        Metric("m.score"),
        SCORE,
        Metric("m.score", minimum_rows=501),
        Metric("m.score", minimum_rows=500, rows="rows.validation"),
        Metric("m.b", minimum_rows=500),
    ]
    hashes = [
        decide(b"{}", [GreaterThanOrEqualTo(metric, 0.6)], parameters={}).policy_sha256
        for metric in metrics
    ]
    assert len({*hashes}) == len(hashes)
    # As records from before there were floors have it.
    assert hashes[0] == "13abb0cccfac7c4f6206b942cd65c61cb3b1bf6399eeedae25546fc62d65668d"


def test_a_metric_that_a_parameter_chooses_keeps_its_floor() -> None:
    policy = (GreaterThan(Metric(Parameter("which"), minimum_rows=7, rows="n"), 0),)
    (settled,) = chosen(policy, {"which": "m.b"})
    assert settled == GreaterThan(Metric("m.b", minimum_rows=7, rows="n"), 0)
    declared = pipeline("texts", policy=policy).for_run({"which": "m.b"})
    assert declared.policy == (settled,)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"minimum_rows": 0}, "minimum_rows=0 is no whole number from 1"),
        ({"minimum_rows": -1}, "minimum_rows=-1"),
        ({"minimum_rows": True}, "minimum_rows=True"),
        ({"minimum_rows": 500.0}, "minimum_rows=500.0"),
        ({"minimum_rows": "500"}, "minimum_rows='500'"),
        ({"minimum_rows": math.nan}, "minimum_rows=nan"),
        ({"minimum_rows": 10**5_000}, "minimum_rows=too large a number"),
        ({"minimum_rows": 5, "rows": "rows["}, r"'rows\[' is no path"),
        ({"minimum_rows": 5, "rows": ""}, "'' is no path"),
        ({"minimum_rows": 5, "rows": Parameter("p")}, "is no path"),
    ],
)
def test_what_cannot_be_meant_is_refused_when_it_is_made(
    arguments: dict[str, Any], words: str
) -> None:
    for path in ("m.score", Parameter("which")):
        with pytest.raises(PolicyError, match=words):
            Metric(path, **arguments)


def test_a_metric_is_compared_with_itself_whatever_rows_it_asks_for() -> None:
    with pytest.raises(PolicyError, match="is compared with itself"):
        GreaterThan(SCORE, Metric("m['score']"))
