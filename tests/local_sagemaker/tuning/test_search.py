"""What is tried next: within its range, on its scale, the same with the same seed."""

from __future__ import annotations

import math
import statistics
from collections import Counter

import pytest

from local_sagemaker.errors import RequestInvalidError
from local_sagemaker.tuning.ranges import read_ranges
from local_sagemaker.tuning.search import Search, Trial, combinations


def numbers(low, high, scale="Linear", *, whole=False):
    kind = "IntegerParameterRanges" if whole else "ContinuousParameterRanges"
    entry = {"Name": "x", "MinValue": str(low), "MaxValue": str(high), "ScalingType": scale}
    return {kind: [entry]}


def choices(**values):
    return {
        "CategoricalParameterRanges": [
            {"Name": name, "Values": list(each)} for name, each in values.items()
        ]
    }


def search(ranges, strategy="Random", *, seed="7", maximize=False):
    return Search(strategy, read_ranges(ranges), maximize=maximize, seed=seed)


def tried(ranges, count, **more):
    return [search(ranges, **more).next_values(n, [])["x"] for n in range(1, count + 1)]


@pytest.mark.parametrize(
    ("ranges", "middle"),
    [
        (numbers(2, 4), 3),
        (numbers(-4, -2), -3),
        (numbers("1e-4", "1e2", "Logarithmic"), 0.1),
        (numbers("1e-4", "1e2", "Auto"), 0.1),
        (numbers("0.1", "1", "Auto"), 0.55),
        (numbers("0.9", "0.999", "ReverseLogarithmic"), 0.99),
        (numbers(0, "0.99", "ReverseLogarithmic"), 0.9),
        (numbers(1, 10_000, "Logarithmic", whole=True), 84),
        (numbers(0, 100, whole=True), 50),
    ],
)
def test_values_fill_their_range_evenly_on_its_scale(ranges, middle):
    (one,) = read_ranges(ranges)
    found = [float(value) for value in tried(ranges, 2000)]
    assert all(one.low <= value <= one.high for value in found)
    above = sum(value > middle for value in found)
    assert 900 < above < 1100
    for value in tried(ranges, 100):
        assert math.isclose(float(one.value(one.place(value))), float(value), rel_tol=1e-9)


def test_integers_are_equally_likely_to_the_ends_of_their_range():
    counts = Counter(tried(numbers(1, 4, whole=True), 4000))
    assert set(counts) == {"1", "2", "3", "4"}
    assert min(counts.values()) > 850


def test_a_range_of_one_value_has_it():
    assert tried(numbers(3, 3), 2) == ["3.0"] * 2
    assert tried(numbers(3, 3, whole=True), 2) == ["3"] * 2
    one = read_ranges(numbers("0.5", "0.5", "Logarithmic"))[0]
    assert (one.place("0.5"), one.value(0.0)) == (0.0, "0.5")


def test_every_choice_comes():
    assert set(tried(choices(x=["a", "b", "c"]), 60)) == {"a", "b", "c"}


def test_the_same_seed_gives_the_same_values_and_another_one_others():
    ranges = numbers(0, 1)
    assert tried(ranges, 5) == tried(ranges, 5)
    assert not set(tried(ranges, 5)) & set(tried(ranges, 5, seed="8"))
    assert len(set(tried(ranges, 50))) == 50


def test_a_grid_is_all_combinations_once():
    grid = search(choices(a="xy", b="123"), "Grid")
    assert combinations(grid.ranges) == 6
    found = [tuple(grid.next_values(number, []).values()) for number in range(1, 7)]
    assert found == [(a, b) for a in "xy" for b in "123"]


def loss(values):
    return (
        (float(values["x"]) - 0.3) ** 2
        + (math.log10(float(values["rate"])) + 2) ** 2
        + (values["kind"] != "b") * 0.1
    )


WIDE = {
    "ContinuousParameterRanges": [
        {"Name": "x", "MinValue": "0", "MaxValue": "1"},
        {"Name": "rate", "MinValue": "1e-5", "MaxValue": "1", "ScalingType": "Logarithmic"},
    ],
    **choices(kind="abc"),
}


def trials_of(strategy, seed, *, maximize=False, count=25):
    sign = -1 if maximize else 1
    one = search(WIDE, strategy, seed=seed, maximize=maximize)
    found: list[Trial] = []
    for number in range(1, count + 1):
        values = one.next_values(number, found)
        found.append(Trial(values, sign * loss(values)))
    return found


@pytest.mark.parametrize("maximize", [False, True])
def test_bayesian_comes_closer_than_chance(maximize):
    best: dict[str, list[float]] = {"Bayesian": [], "Random": []}
    for strategy, found in best.items():
        for seed in range(8):
            trials = trials_of(strategy, str(seed), maximize=maximize)
            found.append(min(abs(trial.objective) for trial in trials))
    assert statistics.median(best["Bayesian"]) < statistics.median(best["Random"]) / 3


def test_bayesian_is_the_same_with_the_same_seed_and_results():
    assert trials_of("Bayesian", "1", count=8) == trials_of("Bayesian", "1", count=8)
    assert trials_of("Bayesian", "1", count=8) != trials_of("Bayesian", "2", count=8)


def test_bayesian_does_not_try_what_is_being_tried():
    """Jobs that run together would else all try the same."""
    trials = trials_of("Bayesian", "3", count=12)
    one = search(WIDE, "Bayesian", seed="3")
    running = []
    for number in range(13, 17):
        running.append(Trial(one.next_values(number, [*trials, *running]), None))
    assert len({trial.values["x"] for trial in running}) == 4


@pytest.mark.parametrize(
    ("ranges", "words"),
    [
        ({}, "there is nothing to tune"),
        ({**numbers(0, 1), **choices(x="ab")}, r"names must be unique: \['x'\]"),
        (choices(x="aa"), "x: Values must be unique"),
        (numbers("a", 1), "x: MinValue must be a number, not 'a'"),
        (numbers(0, "nan"), "x: MaxValue must be a number, not 'nan'"),
        (numbers(0, "inf"), "x: MaxValue must be a number, not 'inf'"),
        (
            numbers("1.5", 2, whole=True),
            "x: MinValue must be an integer of at most 53 bits, not '1.5'",
        ),
        (
            numbers(0, 10**30, whole=True),
            "x: MaxValue must be an integer of at most 53 bits, not '1000",
        ),
        (numbers(2, 1), "x: MinValue 2.0 is greater than MaxValue 1.0"),
        (numbers(0, 1, "Logarithmic"), "x: the Logarithmic scale needs values greater than 0"),
        (numbers(0, 1, "ReverseLogarithmic"), "x: the ReverseLogarithmic scale is for"),
        (numbers("-0.1", "0.5", "ReverseLogarithmic"), "x: the ReverseLogarithmic scale is for"),
        (numbers(0, 0, "ReverseLogarithmic", whole=True), "the ReverseLogarithmic scale is for"),
    ],
)
def test_a_range_that_cannot_be_searched_is_refused_by_name(ranges, words):
    with pytest.raises(RequestInvalidError, match=words):
        read_ranges(ranges)
