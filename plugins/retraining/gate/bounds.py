"""What a gate's conditions ask of single metrics, read from their wire form in a record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from retraining.gate.conditions import SIGNS
from retraining.gate.report import finite

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class Bound:
    """A comparison of one metric with a number.

    Attributes:
        metric: Its path in the report.
        sign: ``≥``, ``>``, ``≤``, ``<`` or ``=``.
        value: The number on the other side.
    """

    metric: str
    sign: str
    value: float


def bounds(wire: Iterable[object]) -> tuple[Bound, ...]:
    """Return the limits that conditions, in SageMaker's wire form, set to metrics.

    A limit holds for every run that passes, so what an ``Or`` or ``Not`` has inside is none.
    """
    found = (_comparison(condition) for condition in wire)
    return tuple(bound for bound in found if bound and bound.sign != "=")


def first_bound(wire: Iterable[object]) -> Bound | None:
    """Return the first comparison of a metric with a number, also one inside an ``Or`` or ``Not``.

    It is what a run is mostly judged by, for a place that can show one number only.
    """
    return next(filter(None, map(_first_in, wire)), None)


def _first_in(condition: object) -> Bound | None:
    if not isinstance(condition, dict):
        return None
    # Older records have the inner condition of a Not as its Expression.
    inner = [condition.get("Condition"), condition.get("Expression")]
    several = condition.get("Conditions")
    inner += several if isinstance(several, list) else []
    return _comparison(condition) or first_bound(inner)


def _comparison(condition: object) -> Bound | None:
    # A record is a file, which may hold anything.
    if not isinstance(condition, dict):
        return None
    sign = SIGNS.get(str(condition.get("Type")))
    left, value = condition.get("LeftValue"), finite(condition.get("RightValue"))
    metric = left.get("Std:JsonGet") if isinstance(left, dict) else None
    path = metric.get("Path") if isinstance(metric, dict) else None
    if sign is None or value is None or not isinstance(path, str):
        return None
    return Bound(path, sign, value)
