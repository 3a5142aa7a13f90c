"""How a column's numbers are distributed, from a few of them, and how far apart two columns are."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

BINS = 10
# What is in no row may be in few of those that are not there: no share is taken for less.
LEAST_SHARE = 1e-4
# Where the scale to measure by is nothing; and JSON has no word for more than a float holds.
FARTHEST = 1e6


@dataclass(frozen=True, slots=True)
class Sketch:
    """The distribution of numbers: exact where they have few values, else by quantiles.

    Attributes:
        points: Ascending numbers, at least one.
        cumulative: Of each, the share of numbers up to it, where they were counted; of quantiles
            nothing: these are at even steps, and in between the share grows evenly.
    """

    points: tuple[float, ...]
    cumulative: tuple[float, ...] = ()

    @classmethod
    def counted(cls, values: Sequence[float], counts: Sequence[int]) -> Sketch:
        """Make one of each value's count; the values ascend, none twice."""
        total = sum(counts)
        return cls(tuple(values), tuple(so_far / total for so_far in accumulate(counts)))

    @property
    def least(self) -> float:
        """The least number."""
        return self.points[0]

    @property
    def greatest(self) -> float:
        """The greatest number."""
        return self.points[-1]

    @property
    def median(self) -> float:
        """A number in the middle."""
        return self.quantile(0.5)

    @property
    def interquartile_range(self) -> float:
        """From the first quartile to the third."""
        return self.quantile(0.75) - self.quantile(0.25)

    def quantile(self, share: float) -> float:
        """Return one of the numbers up to which such a share of them is; 0 to 1."""
        if self.cumulative:
            place = bisect_left(self.cumulative, share * (1 - 1e-12))
        else:
            place = round(share * (len(self.points) - 1))
        return self.points[min(place, len(self.points) - 1)]

    def up_to(self, number: float) -> float:
        """Return the share of numbers that are at most this one."""
        place = bisect_right(self.points, number)
        return self._share(place, number)

    def below(self, number: float) -> float:
        """Return the share of numbers that are less than this one."""
        place = bisect_left(self.points, number)
        return self._share(place, number)

    def _share(self, place: int, number: float) -> float:
        """Return the share before a place among the points, and of a way to the next."""
        if place == 0:
            return 0.0
        if self.cumulative:
            return self.cumulative[place - 1]
        steps = len(self.points) - 1
        if place > steps:
            return 1.0
        before, after = self.points[place - 1], self.points[place]
        # Halves, as the difference of two large numbers may be infinite.
        width = after / 2 - before / 2
        way = (number / 2 - before / 2) / width if width > 0 else 0.0
        # What is below the point itself has come no further than to the one before.
        return (place - 1 + min(max(way, 0.0), 1.0)) / steps


def kolmogorov_smirnov(one: Sketch, other: Sketch) -> float:
    """Return the greatest difference of the shares up to any number; 0 to 1.

    Source: the two-sample Kolmogorov-Smirnov statistic. Of quantiles it is exact to their step.
    """
    return max(
        max(abs(one.up_to(x) - other.up_to(x)), abs(one.below(x) - other.below(x)))
        for x in {*one.points, *other.points}
    )


def edges(baseline: Sketch) -> list[float]:
    """Return where the bins of a comparison end: at the deciles of the baseline.

    What is below its least number and above its greatest has bins of its own, so that a constant
    can be left in both directions.
    """
    inner = [baseline.quantile(number / BINS) for number in range(1, BINS)]
    return sorted({*inner, baseline.greatest})


def shares(sketch: Sketch, baseline: Sketch) -> list[float]:
    """Return the shares of numbers in the bins of a baseline, from the lowest bin up."""
    low = sketch.below(baseline.least)
    up_to = [low, *(max(low, sketch.up_to(edge)) for edge in edges(baseline)), 1.0]
    return [low, *(high - before for before, high in pairwise(up_to))]


def stability_index(expected: Sequence[float], found: Sequence[float]) -> float:
    """Return the population stability index of shares of the same bins; 0 if they are equal.

    Source: Siddiqi, Credit Risk Scorecards (2006): the sum of (found - expected) ln(found /
    expected). A bin's share counts as ``LEAST_SHARE`` at least.
    """
    pairs = [
        (max(one, LEAST_SHARE), max(other, LEAST_SHARE))
        for one, other in zip(expected, found, strict=True)
    ]
    return sum((other - one) * math.log(other / one) for one, other in pairs)


def jensen_shannon(expected: Sequence[float], found: Sequence[float]) -> float:
    """Return the Jensen-Shannon divergence of shares of the same things, in bits; 0 to 1.

    Source: Lin, Divergence Measures Based on the Shannon Entropy (1991).
    """

    def bits(share: float, mean: float) -> float:
        return share * math.log2(share / mean) if share > 0 else 0.0

    return min(
        1.0,
        max(
            0.0,
            sum(
                (bits(one, (one + other) / 2) + bits(other, (one + other) / 2)) / 2
                for one, other in zip(expected, found, strict=True)
            ),
        ),
    )


def in_units(change: float, *scales: float) -> float:
    """Return a change in units of the first scale that is one, at most ``FARTHEST`` of them."""
    if change == 0:
        return 0.0
    scale = next((scale for scale in scales if scale > 0 and math.isfinite(scale)), 0.0)
    units = change / scale if scale else math.inf
    return units if abs(units) < FARTHEST else math.copysign(FARTHEST, change)
