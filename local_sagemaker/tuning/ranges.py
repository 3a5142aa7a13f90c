"""Ranges of hyperparameters: each value has a place between 0 and 1 on the scale of its range."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from local_sagemaker.errors import RequestInvalidError

if TYPE_CHECKING:
    from collections.abc import Mapping

# Auto takes the logarithmic scale where a range is that many times as wide as its lower end.
_WIDE = 1000


@dataclass(frozen=True, slots=True)
class Choices:
    """A categorical range.

    Attributes:
        name: The hyperparameter.
        values: What it may be.
    """

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Numbers:
    """A continuous or an integer range.

    Attributes:
        name: The hyperparameter.
        low: Its least value.
        high: Its greatest value.
        whole: Only integers.
        scale: ``Linear``, ``Logarithmic`` or ``ReverseLogarithmic``.
    """

    name: str
    low: float
    high: float
    whole: bool
    scale: str

    def value(self, place: float) -> str:
        """Return the value at a place, as a hyperparameter's text."""
        bottom, top = self._ends
        found = self._from_scale(bottom + place * (top - bottom))
        if self.whole:
            return str(min(max(round(found), int(self.low)), int(self.high)))
        return repr(min(max(found, self.low), self.high))

    def place(self, value: str) -> float:
        """Return where a value is."""
        bottom, top = self._ends
        if top == bottom:
            return 0.0
        return min(max((self._to_scale(float(value)) - bottom) / (top - bottom), 0.0), 1.0)

    @property
    def _ends(self) -> tuple[float, float]:
        # The first and the last integer have as much room as any other.
        half = 0.5 if self.whole else 0.0
        return self._to_scale(self.low - half), self._to_scale(self.high + half)

    def _to_scale(self, value: float) -> float:
        match self.scale:
            case "Logarithmic":
                return math.log(value)
            case "ReverseLogarithmic":
                return -math.log1p(-value)
            case _:
                return value

    def _from_scale(self, value: float) -> float:
        match self.scale:
            case "Logarithmic":
                return math.exp(value)
            case "ReverseLogarithmic":
                return -math.expm1(-value)
            case _:
                return value


Range = Choices | Numbers


def read_ranges(asked: Mapping[str, Any]) -> tuple[Range, ...]:
    """Read a request's ParameterRanges.

    Raises:
        RequestInvalidError: There are none, two have the same name, or one has no values; names the
            hyperparameter.
    """
    ranges: tuple[Range, ...] = (
        *(_numbers(entry, whole=True) for entry in asked.get("IntegerParameterRanges", [])),
        *(_numbers(entry, whole=False) for entry in asked.get("ContinuousParameterRanges", [])),
        *(_choices(entry) for entry in asked.get("CategoricalParameterRanges", [])),
    )
    if not ranges:
        raise RequestInvalidError("ParameterRanges has no range: there is nothing to tune.")
    names = Counter(one.name for one in ranges)
    if repeated := [name for name, count in names.items() if count > 1]:
        raise RequestInvalidError(f"ParameterRanges: names must be unique: {repeated}.")
    return ranges


def _choices(entry: Mapping[str, Any]) -> Choices:
    if len(set(entry["Values"])) < len(entry["Values"]):
        raise RequestInvalidError(f"ParameterRanges, {entry['Name']}: Values must be unique.")
    return Choices(entry["Name"], tuple(entry["Values"]))


def _numbers(entry: Mapping[str, Any], *, whole: bool) -> Numbers:
    name, scale = entry["Name"], entry.get("ScalingType", "Auto")
    where = f"ParameterRanges, {name}"
    low, high = (_number(entry, end, whole=whole) for end in ("MinValue", "MaxValue"))
    if low > high:
        raise RequestInvalidError(f"{where}: MinValue {low} is greater than MaxValue {high}.")
    if scale == "Auto":
        scale = "Logarithmic" if 0 < low * _WIDE <= high else "Linear"
    if scale == "Logarithmic" and low <= 0:
        raise RequestInvalidError(f"{where}: the Logarithmic scale needs values greater than 0.")
    if scale == "ReverseLogarithmic" and (whole or low < 0 or high >= 1):
        raise RequestInvalidError(
            f"{where}: the ReverseLogarithmic scale is for continuous values, 0 <= x < 1."
        )
    return Numbers(name, low, high, whole, scale)


def _number(entry: Mapping[str, Any], end: str, *, whole: bool) -> float:
    try:
        value = int(entry[end]) if whole else float(entry[end])
        # Beyond, a place could not tell one integer from the next.
        if math.isfinite(value) and not (whole and abs(value) > 2**53):
            return value
    except (ValueError, OverflowError):
        pass
    kind = "an integer of at most 53 bits" if whole else "a number"
    raise RequestInvalidError(
        f"ParameterRanges, {entry['Name']}: {end} must be {kind}, not {entry[end]!r}."
    )
