from __future__ import annotations

import json
from typing import Any

import pytest
from retraining.gate import decision as gate
from retraining.gate.bounds import Bound
from retraining.gate.conditions import GreaterThanOrEqualTo, LessThanOrEqualTo, Metric
from retraining.gate.decision import Verdict
from retraining.gate.headline import Headline
from retraining.gate.report import Measure
from retraining.runs.outcomes import BrokenRecordError, bound_text, outcome_of

POLICY = (LessThanOrEqualTo(Metric("regression_metrics.mse"), 6),)
REPORT = json.dumps({
    "regression_metrics": {"mae": 1.5, "mse": {"value": 4.9, "standard_deviation": 0.2}},
    "rows": {"test": 627},
}).encode()  # fmt: skip
DECLARED = {
    "name": "abalone",
    "headline": {"metric": "regression_metrics.mae", "better": "lower"},
    "plots": ["residuals"],
}


def record(report: bytes = REPORT, **other: object) -> dict[str, Any]:
    """A decision record as a gate of before the declarations wrote it."""
    decision = gate.decide(report, POLICY, parameters={})
    return {
        "verdict": decision.verdict.value,
        "explanation": decision.explanation,
        "conditions": [{"condition": item.condition} for item in decision.judgements],
        "report": {"etag": "x"},
        "run": {"run_id": "r", "snapshot": "2026-11-20"},
        "registered": {"model_package_arn": "arn:7", "version": 7},
        **other,
    }


def test_an_old_record_is_read_with_its_report() -> None:
    outcome = outcome_of(record(), REPORT)
    assert outcome.verdict is Verdict.PASS
    assert outcome.explanation == "regression_metrics.mse = 4.9 is ≤ 6"
    assert outcome.headline == Headline("regression_metrics.mse", "lower")
    assert outcome.bounds == (Bound("regression_metrics.mse", "≤", 6.0),)
    assert outcome.limit == outcome.bounds[0]
    assert outcome.metrics.measures == {
        "regression_metrics.mae": Measure(1.5),
        "regression_metrics.mse": Measure(4.9, 0.2),
    }
    assert outcome.metrics.rows == {"test": 627}
    assert outcome.plots is None
    assert (outcome.version, outcome.arn) == (7, "arn:7")
    assert outcome.run == {"run_id": "r", "snapshot": "2026-11-20"}


def test_a_declared_headline_goes_before_what_the_gate_compares() -> None:
    outcome = outcome_of(record(pipeline=DECLARED), REPORT)
    assert outcome.headline == Headline("regression_metrics.mae", "lower")
    assert outcome.limit is None
    assert outcome.bounds
    assert outcome.plots == ("residuals",)


def test_a_headline_that_is_no_number_says_what_it_is() -> None:
    report = b'{"passed": true}'
    told = {"verdict": "undecidable", "pipeline": {"headline": {"metric": "passed",
            "better": "higher"}}}  # fmt: skip
    outcome = outcome_of(told, report)
    assert outcome.metrics.measures == {}
    assert outcome.metrics.unusable == {"passed": "a truth value"}


@pytest.mark.parametrize(
    "broken", [None, [], "x", 1, {}, {"verdict": "maybe"}, {"verdict": ["pass"]}]
)
def test_a_record_without_a_verdict_is_none(broken: object) -> None:
    with pytest.raises(BrokenRecordError, match=r"^it"):
        outcome_of(broken, REPORT)


@pytest.mark.parametrize(
    "nothing", [None, [], "x", 1, {}, {"version": "x"}, {"version": None}, [None], {"a": [1]}]
)
def test_whatever_else_a_record_holds_its_verdict_is_read(nothing: object) -> None:
    members = ("explanation", "conditions", "report", "run", "registered", "pipeline")
    outcome = outcome_of({"verdict": "reject", **dict.fromkeys(members, nothing)}, REPORT)
    assert outcome.verdict is Verdict.REJECT
    assert (outcome.headline, outcome.limit, outcome.bounds) == (None, None, ())
    assert (outcome.version, outcome.arn) == (None, None)
    assert outcome.metrics.measures["regression_metrics.mse"] == Measure(4.9, 0.2)


@pytest.mark.parametrize("report", [None, b"", b"[1]", b"\xff", b"[" * 100_000, b"9" * 5_000])
def test_a_report_that_is_none_has_no_metrics(report: bytes | None) -> None:
    assert outcome_of(record(), report).metrics.measures == {}


def test_a_bound_is_said_with_all_its_digits() -> None:
    assert bound_text(Bound("m.mse", "≤", 6.0)) == "mse ≤ 6"
    assert bound_text(Bound("m.mse", "≤", 1234567.5)) == "mse ≤ 1234567.5"
    assert bound_text(Bound("m.r2", "≥", 0.6000001), {"m.r2": "m.r2"}) == "m.r2 ≥ 0.6000001"


def test_the_bound_of_a_declared_headline_may_be_spelled_otherwise() -> None:
    policy = GreaterThanOrEqualTo(Metric("m['acc'].value"), 0.8)
    report = b'{"m": {"acc": {"value": 0.9}}}'
    decision = gate.decide(report, [policy], parameters={})
    told = {
        "verdict": "pass",
        "conditions": [{"condition": item.condition} for item in decision.judgements],
        "pipeline": {"headline": {"metric": "m.acc", "better": "higher"}},
    }
    outcome = outcome_of(told, report)
    assert outcome.limit == Bound("m.acc", "≥", 0.8)
    assert outcome.metrics.measures == {"m.acc": Measure(0.9)}
