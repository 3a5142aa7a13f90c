from __future__ import annotations

from typing import Any

import pytest
from retraining.gate import decision, verdict_line
from retraining.gate.conditions import (
    GreaterThan,
    GreaterThanOrEqualTo,
    In,
    LessThan,
    Metric,
    Parameter,
)


def line(report: bytes, *policy: Any, least: float = 0.6) -> str:
    return verdict_line.verdict_line(decision.decide(report, policy, parameters={"least": least}))


R2 = GreaterThanOrEqualTo(Metric("metrics.r2_score"), Parameter("least"))


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("0.61432", "r2_score 0.614 ≥ 0.6"),
        ("0.5", "r2_score 0.5 < 0.6"),
        ("0.6", "r2_score 0.6 ≥ 0.6"),
        ("0.59999", "r2_score 0.59999 < 0.6"),
        ("0.6000001", "r2_score 0.6000001 ≥ 0.6"),
        ("-12345.678", "r2_score -1.23e+04 < 0.6"),
    ],
)
def test_the_line_has_metric_and_limit_and_never_looks_wrong(value: str, said: str) -> None:
    assert line(f'{{"metrics": {{"r2_score": {{"value": {value}}}}}}}'.encode(), R2) == said


def test_all_conditions_are_in_it_or_those_that_do_not_hold() -> None:
    report = b'{"metrics": {"r2_score": 0.7, "rmse": 2, "kind": "a"}}'
    kind = In(Metric("metrics.kind"), ("a", "b"))
    assert line(report, R2, LessThan(Metric("metrics.rmse"), 3), kind) == (
        'r2_score 0.7 ≥ 0.6; rmse 2 < 3; metrics.kind = "a" is in ["a", "b"]'
    )
    assert line(report, R2, LessThan(Metric("metrics.rmse"), 1), kind) == "rmse 2 ≥ 1"


def test_two_metrics_are_told_in_the_gates_words() -> None:
    report = b'{"a": 2, "b": 1}'
    assert line(report, GreaterThan(Metric("a"), Metric("b"))) == "a = 2 is > 1"


def test_metrics_of_one_last_name_are_told_apart() -> None:
    report = b'{"train": {"r2": 0.9}, "test": {"r2": 0.7, "f1.macro": 0.8}}'
    policy = (
        GreaterThan(Metric("train.r2"), 0.5),
        GreaterThan(Metric("test.r2"), 0.5),
        GreaterThan(Metric("test['f1.macro'].value"), 0.5),
    )
    report = report.replace(b"0.8", b'{"value": 0.8}')
    assert line(report, *policy) == "train.r2 0.9 > 0.5; test.r2 0.7 > 0.5; f1.macro 0.8 > 0.5"


def test_a_parameter_may_be_called_as_a_metric() -> None:
    condition = GreaterThan(Metric("m.least"), Parameter("least"))
    assert line(b'{"m": {"least": 0.7}}', condition) == "least 0.7 > 0.6"


def test_a_number_of_any_size_is_told() -> None:
    assert line(b'{"metrics": {"r2_score": 1%s}}' % (b"0" * 400), R2).endswith(
        "too large a number, not a finite number"
    )


def test_an_undecidable_run_says_why() -> None:
    assert line(b"{", R2).startswith("undecidable: the report is not JSON")
    assert "\n" not in line(b"{\n\n", R2)


def test_a_note_says_what_was_registered() -> None:
    assert (
        verdict_line.run_note("r2_score 0.614 ≥ 0.6", 7)
        == "r2_score 0.614 ≥ 0.6: registered as version 7"
    )
    assert verdict_line.run_note("r2_score 0.5 < 0.6", None) == "r2_score 0.5 < 0.6: not registered"
