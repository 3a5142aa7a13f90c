from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from retraining.gate.conditions import GreaterThanOrEqualTo, LessThan, Metric, Parameter
from retraining.gate.decision import Verdict, decide

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
