"""What a gate's conditions ask of single metrics, read from their wire form in a record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from retraining.gate.conditions import SIGNS
from retraining.gate.report import canonical, finite

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class Bound:
    """A comparison of one metric with a number.

    Attributes:
        metric: Its path in the report, in its one spelling.
        sign: ``≥``, ``>``, ``≤``, ``<`` or ``=``.
        value: The number on the other side.
    """

    metric: str
    sign: str
    value: float


# What a comparison asks when its sides change places, and what one asks that must not hold.
_MIRRORED = {"≥": "≤", ">": "<", "≤": "≥", "<": ">", "=": "="}
_NEGATED = {"≥": "<", ">": "≤", "≤": ">", "<": "≥"}


def bounds(wire: Iterable[object]) -> tuple[Bound, ...]:
    """Return the limits that conditions, in SageMaker's wire form, set to metrics.

    A limit holds for every run that passes, so what an ``Or`` or ``Not`` has inside is none.
    """
    found = (_comparison(condition) for condition in wire)
    return tuple(bound for bound in found if bound and bound.sign != "=")


def first_bound(wire: Iterable[object]) -> Bound | None:
    """Return the first comparison of a metric with a number, also one inside an ``Or`` or ``Not``.

    It is what a run is mostly judged by, for a place that can show one number only. What a ``Not``
    has inside is turned around: of ``Not(score < 0.5)`` it is score ≥ 0.5.
    """
    return _first(wire, is_negated=False)


def _first(wire: Iterable[object], *, is_negated: bool) -> Bound | None:
    return next(filter(None, (_first_in(item, is_negated=is_negated) for item in wire)), None)


def _first_in(condition: object, *, is_negated: bool) -> Bound | None:
    if not isinstance(condition, dict):
        return None
    found = _comparison(condition)
    if found is not None and is_negated:
        # Anything but one number is no bound.
        sign = _NEGATED.get(found.sign)
        found = Bound(found.metric, sign, found.value) if sign else None
    # Older records have the inner condition of a Not as its Expression.
    inner = [condition.get("Condition"), condition.get("Expression")]
    several = condition.get("Conditions")
    inner += several if isinstance(several, list) else []
    is_not = condition.get("Type") == "Not"
    return found or _first(inner, is_negated=is_negated != is_not)


def _comparison(condition: object) -> Bound | None:
    # A record is a file, which may hold anything.
    if not isinstance(condition, dict):
        return None
    sign = SIGNS.get(str(condition.get("Type")))
    left, right = condition.get("LeftValue"), condition.get("RightValue")
    if sign is not None and isinstance(right, dict):
        sign, left, right = _MIRRORED[sign], right, left
    value = finite(right)
    metric = left.get("Std:JsonGet") if isinstance(left, dict) else None
    path = metric.get("Path") if isinstance(metric, dict) else None
    if sign is None or value is None or not isinstance(path, str):
        return None
    return Bound(canonical(path), sign, value)
