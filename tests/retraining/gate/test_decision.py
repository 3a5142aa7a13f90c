from __future__ import annotations

import json
from dataclasses import asdict, dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from retraining.gate.conditions import (
    Equals,
    GreaterThanOrEqualTo,
    In,
    LessThan,
    Metric,
    Not,
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


def dumped(value: object) -> bytes:
    """JSON as anybody may write it: a list of pairs is an object, also with a key twice."""
    if isinstance(value, Pairs):
        members = (f"{json.dumps(key)}: {dumped(item).decode()}" for key, item in value.pairs)
        return f"{{{', '.join(members)}}}".encode()
    if isinstance(value, list):
        return f"[{', '.join(dumped(item).decode() for item in value)}]".encode()
    if isinstance(value, Digits):
        return f"{'-' * value.is_negative}{'9' * value.count}{value.ending}".encode()
    return json.dumps(value).encode()


@dataclass(frozen=True)
class Pairs:
    pairs: list[tuple[str, object]]


@dataclass(frozen=True)
class Digits:
    count: int
    is_negative: bool
    ending: str


keys = st.sampled_from(["regression_metrics", "r2_score", "value", "mse"]) | st.text()
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    # Also halves of letters, which JSON may have, and what a database cannot hold.
    | st.text(st.characters(exclude_categories=()))
    | st.builds(
        Digits, st.integers(1, 6_000), st.booleans(), st.sampled_from(["", ".5", "e9", "e-5000"])
    )
)
anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.builds(Pairs, st.lists(st.tuples(keys, inner), max_size=4))
    ),
    max_leaves=12,
)
POLICY = (
    R2,
    Not(Or((Equals(Metric("regression_metrics.mse"), "x"), LessThan(0.1, Metric("mse"))))),
    In(Metric("regression_metrics"), (1, "x", Metric("value"))),
)


@given(value=anything, which=st.integers(0, 2), is_score=st.booleans())
def test_whatever_a_report_holds_the_gate_answers_with_a_verdict(
    value: object, which: int, *, is_score: bool
) -> None:
    if is_score:
        value = Pairs([("regression_metrics", Pairs([("r2_score", value), ("mse", "y")]))])
    decision = decide(dumped(value), POLICY[which : which + 1], parameters={"r2_threshold": 0.6})
    # It can be written down, sent and shown.
    record = json.dumps(asdict(decision), allow_nan=False).encode()
    assert json.loads(record)["verdict"] == decision.verdict
    assert "\0" not in decision.explanation
    assert decision.explanation.encode()
    assert verdict_line(decision).encode()


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
    assert decision.explanation.endswith(", 9949 more")
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
