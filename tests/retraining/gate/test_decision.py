from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from retraining.gate.conditions import (
    Equals,
    GreaterThanOrEqualTo,
    LessThan,
    Metric,
    Or,
    Parameter,
)
from retraining.gate.decision import Verdict, decide
from retraining.gate.verdict_line import verdict_line

R2 = GreaterThanOrEqualTo(Metric("regression_metrics.r2_score"), Parameter("r2_threshold"))


def report(r2: object) -> bytes:
    leaf = {"value": r2, "standard_deviation": 0.01}
    return json.dumps({"regression_metrics": {"r2_score": leaf, "mse": 0.3}}).encode()


@given(st.floats(-1, 1), st.floats(-1, 1))
def test_a_model_passes_exactly_at_its_threshold_and_above(r2: float, threshold: float) -> None:
    decision = decide(report(r2), [R2], parameters={"r2_threshold": threshold})
    assert decision.verdict is (Verdict.PASS if r2 >= threshold else Verdict.REJECT)


def test_all_conditions_must_hold() -> None:
    policy = [R2, LessThan(Metric("regression_metrics.mse"), 0.2)]
    decision = decide(report(0.7), policy, parameters={"r2_threshold": 0.6})
    assert decision.verdict is Verdict.REJECT
    assert decision.explanation == "regression_metrics.mse = 0.3 is not < 0.2"
    assert [item.holds for item in decision.judgements] == [True, False]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff",
        b"[]",
        b"null",
        b"{}",
        b"[" * 100_000,
        report(None),
        report("0.9"),
        report(True),
        report(float("nan")),
        report(float("inf")),
    ],
)
def test_a_report_that_cannot_be_judged_is_neither_pass_nor_reject(content: bytes) -> None:
    decision = decide(content, [R2], parameters={"r2_threshold": 0.6})
    assert decision.verdict is Verdict.UNDECIDABLE
    assert decision.judgements == ()


@given(st.binary())
def test_no_report_at_all_raises(content: bytes) -> None:
    decide(content, [R2], parameters={"r2_threshold": 0.6})


@pytest.mark.parametrize(
    "metrics",
    [
        b'{"r2_score": {"value": 0.1}, "r2_score": {"value": 0.9}}',
        b'{"r2_score": {"value": 0.1, "value": 0.9}}',
        b'{"r2_score": {"value": 0.9}, "mse": 1, "mse": 1}',
        b'{"r2_score": {"value": 0.9}, "list": [[{"a": 1, "\\u0061": 2}]]}',
    ],
)
def test_a_report_that_says_two_things_is_undecidable(metrics: bytes) -> None:
    content = b'{"regression_metrics": ' + metrics + b"}"
    decision = decide(content, [R2], parameters={"r2_threshold": 0.6})
    assert decision.verdict is Verdict.UNDECIDABLE
    assert "the report says two things: an object has" in decision.explanation


@pytest.mark.parametrize("digits", [400, 4_299, 5_000, 100_000])
@pytest.mark.parametrize("member", ["r2_score", "other"])
def test_a_number_that_no_float_holds_is_a_verdict(digits: int, member: str) -> None:
    content = f'{{"regression_metrics": {{"r2_score": 0.9, "{member}": {"9" * digits}}}}}'
    if member == "r2_score":
        content = content.replace('"r2_score": 0.9, ', "")
    decision = decide(content.encode(), [R2], parameters={"r2_threshold": 0.6})
    is_judged = member == "other" and digits <= 4_300
    assert decision.verdict is (Verdict.PASS if is_judged else Verdict.UNDECIDABLE)
    assert len(decision.explanation) < 300


def test_of_very_many_keys_the_explanation_names_some() -> None:
    content = json.dumps({"regression_metrics": {f"m{number}\0": 1 for number in range(9_999)}})
    decision = decide(content.encode(), [R2], parameters={"r2_threshold": 0.6})
    assert decision.explanation.endswith(", 9979 more")
    assert len(decision.explanation) < 1_000


def test_an_undecidable_condition_wins_over_one_that_fails() -> None:
    policy = [R2, LessThan(Metric("regression_metrics.missing"), 1)]
    decision = decide(report(0.1), policy, parameters={"r2_threshold": 0.6})
    assert decision.verdict is Verdict.UNDECIDABLE


def test_the_policy_hash_changes_with_the_threshold_only() -> None:
    hashes = {
        decide(report(r2), [R2], parameters={"r2_threshold": threshold}).policy_sha256
        for r2 in (0.1, 0.9)
        for threshold in (0.6, 0.7)
    }
    assert len(hashes) == 2


def test_an_empty_policy_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="every model would pass"):
        decide(report(0.9), [], parameters={})


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (float("nan"), "parameter r2_threshold is nan, not a finite number"),
        (float("-inf"), "parameter r2_threshold is -inf, not a finite number"),
        (10**400, "parameter r2_threshold is too large a number"),
        pytest.param(10**5_000, "parameter r2_threshold is too large a number", id="digits"),
        ("\ud800", '0.9 (number) cannot be compared with "\\ud800" (text)'),
        pytest.param("x" * 400_000, "is a text of more than 1,000 characters", id="long text"),
        ([float("nan")], "parameter r2_threshold is a list"),
        (None, "parameter r2_threshold is null"),
        (datetime.now(tz=UTC), "parameter r2_threshold is an object"),
    ],
)
def test_a_parameter_that_is_no_limit_is_undecidable(value: object, words: str) -> None:
    decision = decide(report(0.9), [R2], parameters={"r2_threshold": value})
    assert decision.verdict is Verdict.UNDECIDABLE
    assert words in decision.explanation
    assert len(decision.policy_sha256) == 64


def test_of_very_many_or_very_long_conditions_an_explanation_tells_some() -> None:
    content = json.dumps({"m" * 5_000: {str(number): "é\0" * 500 for number in range(50)}}).encode()
    policy = [Equals(Metric(f"{'m' * 5_000}.{number}"), Parameter("text")) for number in range(50)]
    for text in ("x", "é\0" * 500):
        decision = decide(content, policy, parameters={"text": text})
        for said in (decision.explanation, verdict_line(decision)):
            assert said.startswith("mmm")
            assert said.endswith("conditions left out here: 47")
            assert "… (of " in said
            assert len(said) <= 900
            assert said.isprintable()


def test_a_long_condition_alone_has_all_the_room() -> None:
    policy = [Or(tuple(LessThan(Metric("m.a"), number) for number in range(40)))]
    decision = decide(b'{"m": {"a": 0.5}}', policy, parameters={})
    assert 800 < len(decision.explanation) <= 900
    assert decision.explanation.endswith("… (of 910 characters)")
