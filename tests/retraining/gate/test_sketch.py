"""Distances from sketches, beside scipy's and numpy's from the numbers themselves."""

from __future__ import annotations

import functools
import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from retraining.gate import data_report as reader
from retraining.gate import distance, sketch
from scipy.spatial.distance import jensenshannon
from scipy.stats import ks_2samp

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "include" / "scripts"))
from kit.data_report import data_report
from kit.outputs import plain
from kit.table import Column, Table

sys.path.pop(0)

# Of a quantile's step, once for each of the two sketches.
STEP = 2 / 200
random = np.random.default_rng(7)
SHAPES: dict[str, Any] = {
    "normal": random.normal(size=5_000),
    "normal, moved": random.normal(0.3, size=3_001),
    "normal, ten times": random.normal(size=5_000) * 10,
    "heavy tails": random.standard_cauchy(size=4_000),
    "half of it zero": np.where(random.random(4_000) < 0.5, 0, random.gamma(2, size=4_000)),
    "ties": random.integers(0, 12, size=3_000).astype(float),
    "many ties": np.round(random.normal(size=20_000), 2),
    "constant": np.full(500, 3.0),
    "another constant": np.full(400, 3.5),
    "two rows": np.array([1.0, 2.0]),
    "one row": np.array([-1.0]),
    "truths": random.integers(0, 2, size=1_000).astype(bool),
    "huge": np.array([1e300, -1e300, 1.7e308, -1.7e308, 0.0] * 100),
    "tiny": random.normal(size=1_000) * 1e-300,
    "nearly all the same": np.r_[np.full(9_999, 1.0), random.normal(size=300)],
}


def reported(cells: Any, column: Column | None = None) -> reader.DataReport:
    """What the gate reads of the job's report on a table of one column."""
    column = column or Column("x")
    rows = pd.DataFrame({"x": cells})
    report = data_report(rows, Table((column,), target="x"))
    return reader.read(json.dumps(report, default=plain, allow_nan=False).encode())


@functools.cache
def of_shape(name: str) -> sketch.Sketch:
    found = reported(SHAPES[name]).columns["x"].sketch
    assert found is not None
    return found


def plain_shares(numbers: Any, bins: list[float], least: float) -> list[float]:
    numbers = np.asarray(numbers, float)
    counts = [(numbers < least).sum()]
    counts += [
        ((numbers > low) & (numbers <= high)).sum()
        for low, high in zip([np.nextafter(least, -np.inf), *bins], [*bins, np.inf], strict=True)
    ]
    return list(np.array(counts) / len(numbers))


@pytest.mark.parametrize("one", SHAPES)
@pytest.mark.parametrize("other", SHAPES)
def test_the_kolmogorov_smirnov_distance_is_scipys_to_the_sketches_step(
    one: str, other: str
) -> None:
    ours = sketch.kolmogorov_smirnov(of_shape(one), of_shape(other))
    theirs = ks_2samp(SHAPES[one].astype(float), SHAPES[other].astype(float)).statistic
    is_exact = all(len(np.unique(SHAPES[name])) <= 200 for name in (one, other))
    assert ours == pytest.approx(theirs, abs=1e-12 if is_exact else STEP)


@pytest.mark.parametrize("one", SHAPES)
@pytest.mark.parametrize("other", SHAPES)
def test_the_shares_of_the_bins_are_those_of_the_numbers_themselves(one: str, other: str) -> None:
    before, now = of_shape(one), of_shape(other)
    bins = sketch.edges(before)
    deciles = np.quantile(
        SHAPES[one].astype(float), np.arange(1, 10) / 10, method="inverted_cdf"
    ).tolist()
    if len(np.unique(SHAPES[one])) <= 200:
        assert bins == sorted({*deciles, float(SHAPES[one].max())})
    assert before.least == SHAPES[one].min()
    for numbers, found in ((one, before), (other, now)):
        expected = plain_shares(SHAPES[numbers], bins, before.least)
        assert sketch.shares(found, before) == pytest.approx(expected, abs=STEP)
        assert sum(sketch.shares(found, before)) == pytest.approx(1)


def test_the_stability_index_is_that_of_the_numbers_themselves() -> None:
    for one, other in (("normal", "normal, moved"), ("normal", "normal, ten times")):
        before, now = of_shape(one), of_shape(other)
        bins = sketch.edges(before)
        expected, found = (
            np.maximum(plain_shares(SHAPES[name], bins, before.least), sketch.LEAST_SHARE)
            for name in (one, other)
        )
        theirs = ((found - expected) * np.log(found / expected)).sum()
        ours = sketch.stability_index(sketch.shares(before, before), sketch.shares(now, before))
        assert ours == pytest.approx(theirs, rel=0.1)


def test_the_divergence_of_shares_is_scipys() -> None:
    for _ in range(50):
        one, other = random.dirichlet(np.full(7, 0.3), size=2)
        ours = sketch.jensen_shannon(one, other)
        assert ours == pytest.approx(jensenshannon(one, other, base=2) ** 2, abs=1e-9)
    assert sketch.jensen_shannon([1, 0], [0, 1]) == 1


@given(
    *(
        arrays.arrays(
            float,
            st.integers(1, 400),
            elements=st.floats(allow_nan=True, allow_infinity=True, width=64),
        )
        for _ in range(2)
    )
)
def test_no_numbers_make_a_distance_that_is_none(one: Any, other: Any) -> None:
    found = distance.between(reported(one), reported(other))
    text = json.dumps(found, allow_nan=False)
    assert 0 <= json.loads(text)["greatest_kolmogorov_smirnov"]["value"] <= 1
    same: Any = distance.between(reported(one), reported(one))
    for measure in distance.OF_COLUMNS:
        assert same[f"greatest_{measure}"]["value"] == 0


@pytest.mark.parametrize("name", SHAPES)
def test_what_is_told_of_numbers_is_numpys(name: str) -> None:
    numbers = SHAPES[name].astype(float)
    report = data_report(pd.DataFrame({"x": numbers}), Table((Column("x"),), target="x"))
    told = report["columns"]["x"]
    assert (told["minimum"], told["maximum"]) == (numbers.min(), numbers.max())
    scale = abs(numbers).max()
    assert told["mean"] / scale == pytest.approx((numbers / scale).mean(), abs=1e-9)
    assert told["standard_deviation"] / scale == pytest.approx((numbers / scale).std(), abs=1e-9)
    assert math.isfinite(told["standard_deviation"])


def test_nulls_and_infinities_are_counted_and_left_out() -> None:
    cells = [1.0, 2.0, float("nan"), float("inf"), float("-inf")]
    report = data_report(pd.DataFrame({"x": cells}), Table((Column("x"),), target="x"))
    assert report["columns"]["x"]["nulls"] == {"count": 1, "share": 0.2}
    assert report["columns"]["x"]["infinite"] == 2
    read = reported(cells)
    assert read.columns["x"].null_share == pytest.approx(0.6)
    assert read.columns["x"].sketch == sketch.Sketch((1.0, 2.0), (0.5, 1.0))
    gone: Any = distance.between(reported([1.0, 2.0]), reported([float("nan")] * 2))
    assert gone["greatest_null_share_increase"] == {"value": 1.0, "column": "x"}
    assert gone["greatest_stability_index"] == {"value": 0.0, "column": ""}


def test_the_median_moves_in_units_of_the_spread_or_else_of_itself() -> None:
    def change(one: Any, other: Any) -> float:
        found: Any = distance.between(reported(one), reported(other))
        return found["columns"]["x"]["median_change"]

    evenly = np.arange(1.0, 102.0)
    assert change(evenly, evenly + 25) == pytest.approx(0.5)
    rare = np.r_[np.zeros(90), np.full(10, 10.0)]  # no quartile differs; the deviation is 3
    assert change(rare, np.full(9, 6.0)) == pytest.approx(2)
    assert change(np.full(5, 4.0), np.full(5, 2.0)) == pytest.approx(-0.5)
    assert change(np.zeros(5), np.full(5, 2.0)) == sketch.FARTHEST
    assert change(np.full(5, -1.7e308), np.full(5, 1.7e308)) == sketch.FARTHEST


SEXES = Column("x", categories=("F", "I", "M"))


def categories(**counts: int) -> list[str | None]:
    return [name for name, count in counts.items() for _ in range(count)]


def test_categories_are_compared_by_their_shares() -> None:
    before = reported(categories(F=30, M=30, I=40), SEXES)
    now: Any = distance.between(before, reported(categories(F=60, M=140), SEXES))
    shares = np.array([[0.3, 0.3, 0.4], [0.3, 0.7, 1e-4]])
    expected = ((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum()
    assert now["columns"]["x"]["stability_index"] == pytest.approx(expected, rel=1e-5)
    js = jensenshannon([0.3, 0.3, 0.4], [0.3, 0.7, 0], base=2) ** 2
    assert now["columns"]["x"]["jensen_shannon"] == pytest.approx(js, rel=1e-5)
    one: Any = distance.between(reported(["F"] * 9, SEXES), reported(["F"] * 2, SEXES))
    assert one["greatest_stability_index"]["value"] == 0


def test_of_very_many_categories_the_rare_ones_are_one() -> None:
    many = Column("x", categories=tuple(f"c{number}" for number in range(5_000)))
    drawn = random.zipf(1.3, size=20_000) % 5_000
    names = np.array([f"c{number}" for number in drawn], dtype=object)
    before, now = reported(names[:10_000], many), reported(names[10_000:], many)
    assert len(before.columns["x"].categories) == 100
    assert before.columns["x"].others > 0
    found: Any = distance.between(before, now)
    assert found["greatest_stability_index"]["value"] < 0.2
    moved: Any = distance.between(before, reported(np.full(500, "c4999", dtype=object), many))
    assert moved["greatest_stability_index"]["value"] > 1
