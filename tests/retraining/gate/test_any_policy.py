"""Whatever a report and a policy are, the gate answers, and its answer can be kept and acted on."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
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
    PolicyError,
)
from retraining.gate.decision import Verdict, decide
from retraining.gate.policy import checked, chosen, metrics_of
from retraining.gate.report import canonical, finite, metrics_in, parse
from retraining.gate.verdict_line import run_note, verdict_line


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
        Digits,
        st.sampled_from([1, 300, 400, 6_000]),
        st.booleans(),
        st.sampled_from(["", ".5", "e9", "e-5000"]),
    )
)
anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.builds(Pairs, st.lists(st.tuples(keys, inner), max_size=4))
    ),
    max_leaves=8,
)
# Where the reports below have something, and where they have nothing.
R2 = "regression_metrics.r2_score"
places = st.sampled_from([R2, f"{R2}.value", "regression_metrics['mse']", "mse"])
paths = places | st.sampled_from(["regression_metrics", "value.value", "a[0]['\0']", "rows.test"])
texts = st.text(st.characters(exclude_categories=()))
# Of reports whose count is mostly no such number.
few = st.builds(Metric, paths, minimum_rows=st.integers(1, 5), rows=paths)
literals = st.floats() | st.integers() | texts | st.booleans() | st.just(10**400)


def made(kind: Any, *arguments: Any) -> Any:
    """A condition, or None where it is refused."""
    try:
        return kind(*arguments)
    except PolicyError:
        return None


def policies(references: Any, values: Any, *, fewest: int) -> Any:
    """Policies of operands: one that names something on the left, any on the right."""
    kinds = st.sampled_from([
        Equals, GreaterThan, GreaterThanOrEqualTo, LessThan, LessThanOrEqualTo
    ])  # fmt: skip
    operands = references | values
    conditions = st.recursive(
        st.builds(made, kinds, references, operands)
        | st.builds(made, st.just(In), references, st.lists(operands, min_size=fewest, max_size=3)),
        lambda inner: (
            st.builds(made, st.just(Not), inner)
            | st.builds(made, st.just(Or), st.lists(inner, min_size=fewest, max_size=3))
        ),
        max_leaves=3,
    ).filter(lambda condition: condition is not None)
    return st.lists(conditions, min_size=fewest, max_size=2)


def report_of(score: object, mse: object, other: object) -> Pairs:
    section = Pairs([("r2_score", score), ("mse", mse)])
    return Pairs([("regression_metrics", section), ("mse", other)])


numbers = st.floats(-2, 2) | st.integers(0, 1)
leaves = st.recursive(
    numbers, lambda inner: inner.map(lambda value: Pairs([("value", value)])), max_leaves=3
)
chosen_metric, limit = Metric(Parameter("path")), Parameter("limit")
# The first come to pass or reject, nearly all of the others to nothing.
cases = st.tuples(
    st.builds(report_of, leaves, leaves, leaves),
    policies(
        st.builds(Metric, places, minimum_rows=st.none() | st.just(1), rows=places)
        | st.just(chosen_metric),
        numbers | st.just(limit),
        fewest=1,
    ),
    st.fixed_dictionaries({"path": places, "limit": numbers}),
) | st.tuples(
    st.builds(report_of, scalars | leaves | anything, scalars, scalars) | anything,
    policies(paths.map(Metric) | few | st.sampled_from([chosen_metric, limit]), literals, fewest=0),
    st.dictionaries(
        st.sampled_from(["path", "limit"]),
        literals | st.none() | paths | st.lists(literals, max_size=2),
    ),
)


@given(case=cases)
@settings(deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
def test_any_report_and_any_policy_make_a_verdict_that_can_be_kept_told_and_registered(
    case: tuple[object, list[Any], dict[str, Any]],
) -> None:
    report, policy, parameters = case
    content = dumped(report)
    try:
        checked(policy)
    except PolicyError:
        with pytest.raises(PolicyError):
            decide(content, policy, parameters=parameters)
        return
    decision = decide(content, policy, parameters=parameters)
    line = verdict_line(decision)
    # Strict JSON in UTF-8, and what a note and a database can hold.
    text = json.dumps(asdict(decision), ensure_ascii=False, allow_nan=False)
    assert json.loads(text.encode(errors="backslashreplace"))["verdict"] == decision.verdict
    for said in (decision.explanation, line):
        assert said.isprintable()
        assert said.encode()
        assert 0 < len(said) <= 900
    assert len(run_note(line, 10**9)) <= 1_000
    if decision.verdict is not Verdict.PASS:
        return
    # It was a metric that passed, and registration reads the same number.
    asked = metrics_of(chosen(policy, parameters))
    operands = [pair for item in decision.judgements for pair in item.operands.items()]
    values = {path: value for path, value in operands if path in asked}
    assert set(values) == set(asked) != set()
    found = metrics_in(parse(content), named=asked)
    for path, value in values.items():
        if finite(value) is not None:
            assert found.measures[canonical(path)].value == pytest.approx(value)
