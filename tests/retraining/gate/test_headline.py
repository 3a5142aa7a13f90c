from __future__ import annotations

from typing import Any

import pytest
from retraining.gate.bounds import Bound
from retraining.gate.conditions import (
    Equals,
    GreaterThanOrEqualTo,
    In,
    LessThan,
    LessThanOrEqualTo,
    Metric,
    Not,
    Or,
)
from retraining.gate.headline import HIGHER, LOWER, Headline, headline_of, limit_of
from retraining.gate.wire_form import to_wire

MSE, R2 = Metric("regression_metrics.mse"), Metric("regression_metrics.r2_score.value")
AT_MOST = LessThanOrEqualTo(MSE, 6)


def record(*policy: Any, **other: object) -> dict[str, object]:
    conditions = [{"condition": to_wire(condition, {})} for condition in policy]
    return {"verdict": "pass", "conditions": conditions, **other}


def declared(metric: object, better: object) -> dict[str, object]:
    return {"pipeline": {"name": "p", "headline": {"metric": metric, "better": better}}}


def test_a_record_says_what_its_pipeline_is_shown_by() -> None:
    told = record(AT_MOST, **declared(R2.path, HIGHER))
    headline = headline_of(told)
    assert headline == Headline("regression_metrics.r2_score", HIGHER)
    assert headline.name == "r2_score"
    assert limit_of(told, headline) is None
    assert limit_of(told, Headline(MSE.path, LOWER)) == Bound(MSE.path, "≤", 6.0)


@pytest.mark.parametrize(
    ("condition", "better"),
    [
        (AT_MOST, LOWER),
        (LessThan(MSE, 6), LOWER),
        (Not(LessThan(MSE, 6)), HIGHER),
        (GreaterThanOrEqualTo(MSE, 6), HIGHER),
        (GreaterThanOrEqualTo(6, MSE), LOWER),
        (Or((Equals(Metric("kind"), "x"), AT_MOST)), LOWER),
    ],
)
def test_an_old_record_is_shown_by_what_its_gate_compares(condition: Any, better: str) -> None:
    assert headline_of(record(condition)) == Headline(MSE.path, better)


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"conditions": None},
        {"conditions": "x"},
        {"conditions": [None, {"condition": None}, {}]},
        record(In(Metric("kind"), ("x", "y"))),
        {"pipeline": None},
        {"pipeline": {"headline": "mse"}},
        declared(None, LOWER),
        declared(MSE.path, "smaller"),
    ],
)
def test_a_record_that_tells_no_headline_has_none(told: dict[str, object]) -> None:
    assert headline_of(told) is None


@pytest.mark.parametrize(("better", "first"), [(HIGHER, True), (LOWER, False)])
def test_better_follows_the_direction(better: str, first: bool) -> None:
    headline = Headline("m", better)
    assert headline.is_better(2, than=1) is first
    assert headline.is_better(1, than=2) is not first
    assert not headline.is_better(1, than=1)
