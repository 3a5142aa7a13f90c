"""How two models differ, beside scikit-learn's metrics and scipy's paired bootstrap of raw rows."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.scripts.jobs import KIT, run_cold

NUMBERS = """
import json, numpy as np
from kit.regression import regression_difference
from scipy import stats
from sklearn import metrics as m
random = np.random.RandomState(5)
actual = random.gamma(2, size=400)
ours = actual + random.normal(0, 0.30, 400)
theirs = ours + random.normal(0.05, 0.25, 400)
ours[:40] = theirs[:40]
functions = {
    "mse": m.mean_squared_error, "mae": m.mean_absolute_error, "r2_score": m.r2_score,
    "rmse": lambda a, p: m.mean_squared_error(a, p) ** 0.5,
}
def beside(function):
    def of(a, x, y):
        return function(a, x) - function(a, y)
    done = stats.bootstrap(
        (actual, ours, theirs), of, paired=True, vectorized=False, n_resamples=1000,
        method="percentile", random_state=2,
    )
    draws = done.bootstrap_distribution
    better = draws > 0 if function is m.r2_score else draws < 0
    return [of(actual, ours, theirs), draws.std(ddof=1), *done.confidence_interval, better.mean()]
wins = np.abs(ours - actual) < np.abs(theirs - actual)
print(json.dumps({
    "ours": regression_difference(actual, ours, theirs, samples=1000, seed=1),
    "reference": {name: beside(f) for name, f in functions.items()},
    "wins": float(wins[40:].sum() + 20) / 400,
}))
"""
LABELS = """
import json, sys, numpy as np
from kit.classification import classification_difference
from scipy import stats
from sklearn import metrics as m
random = np.random.RandomState(5)
names, positive = np.array(sys.argv[1].split(",")), sys.argv[2] or None
actual = names[random.choice(len(names), 500)]
ours = np.where(random.rand(500) < 0.8, actual, names[random.choice(len(names), 500)])
theirs = np.where(random.rand(500) < 0.7, ours, names[random.choice(len(names), 500)])
how = {"zero_division": 0} | ({"pos_label": positive} if positive else {"average": "weighted"})
weighted = "" if positive else "weighted_"
functions = {
    "accuracy": m.accuracy_score,
    weighted + "precision": lambda a, p: m.precision_score(a, p, **how),
    weighted + "recall": lambda a, p: m.recall_score(a, p, **how),
    weighted + "f1": lambda a, p: m.f1_score(a, p, **how),
}
def beside(function):
    def of(number):
        at = number.astype(int)
        return function(actual[at], ours[at]) - function(actual[at], theirs[at])
    done = stats.bootstrap(
        (np.arange(500),), of, vectorized=False, n_resamples=400, method="percentile",
        random_state=2,
    )
    draws = done.bootstrap_distribution
    better = (draws > 0).mean() + (draws == 0).mean() / 2
    return [of(np.arange(500)), draws.std(ddof=1), *done.confidence_interval, better]
given = {"positive": positive, "samples": 1000, "seed": 1}
# A part of the rows may have no row of a label.
part = actual == names[0]
classification_difference(actual[part], ours[part], ours[part], **given)
right, wrong = (ours == actual), (theirs == actual)
print(json.dumps({
    "ours": classification_difference(actual, ours, theirs, **given),
    "itself": classification_difference(actual, ours, ours, **given),
    "reference": {name: beside(f) for name, f in functions.items()},
    "wins": float((right & ~wrong).mean() + (right == wrong).mean() / 2),
}))
"""
SLICES = """
import json, sys
from kit.failure import BadInputError
from kit.slices import slices
columns, wanted = json.loads(sys.argv[1])
try:
    told = [[c, part, rows.tolist()] for c, part, rows in slices(columns, wanted)]
except BadInputError as error:
    told = str(error)
print(json.dumps(told))
"""


def run_kit(code: str, *arguments: str) -> Any:
    done = run_cold("-W", "error", "-c", code, *arguments, PYTHONPATH=KIT.parent)
    assert done.code == 0, done.stderr
    return json.loads(done.stdout)


def check(told: dict[str, Any], reference: dict[str, list[float]]) -> None:
    for name, (value, spread, low, high, better) in reference.items():
        ours = told[name]
        assert ours["value"] == pytest.approx(value, abs=1e-12)
        assert ours["candidate"] - ours["champion"] == pytest.approx(value, abs=1e-12)
        # Two bootstraps of 400 draws or more agree to some 5 % (one standard error).
        assert ours["standard_deviation"] == pytest.approx(spread, rel=0.2)
        assert ours["low"] == pytest.approx(low, abs=0.5 * spread)
        assert ours["high"] == pytest.approx(high, abs=0.5 * spread)
        assert ours["better_share"] == pytest.approx(better, abs=0.06)


def test_numbers_differ_as_scipys_paired_bootstrap_says() -> None:
    told = run_kit(NUMBERS)
    ours = told["ours"]["regression_metrics"]
    assert list(ours) == ["mse", "rmse", "mae", "r2_score"]
    check(ours, told["reference"])
    assert told["ours"]["win_rate"] == pytest.approx(told["wins"])
    assert ours["mse"]["worse_by"] == ours["mse"]["value"]
    assert ours["r2_score"]["worse_by"] == -ours["r2_score"]["value"]


@pytest.mark.parametrize(("names", "positive"), [("a,b,c,d", ""), ("no,yes", "yes")])
def test_labels_differ_as_a_bootstrap_of_raw_rows_says(names: str, positive: str) -> None:
    told = run_kit(LABELS, names, positive)
    section = "binary" if positive else "multiclass"
    check(told["ours"][f"{section}_classification_metrics"], told["reference"])
    assert told["ours"]["win_rate"] == pytest.approx(told["wins"])
    for metric in told["itself"][f"{section}_classification_metrics"].values():
        same = {name: metric[name] for name in ("value", "low", "high", "worse_by")}
        assert set(same.values()) == {0.0}
        assert metric["better_share"] == 0.5
    assert told["itself"]["win_rate"] == 0.5


def test_numbers_are_cut_at_their_quartiles_and_texts_by_value() -> None:
    columns = {
        "number": [*map(str, range(20)), "", "nan"],
        "few": ["1", "2"] * 11,
        "kind": ["a"] * 12 + ["b"] * 9 + [""],
        "mixed": ["1", "x"] * 11,
    }
    told = run_kit(SLICES, json.dumps([columns, ["number", "few", "kind", "mixed"]]))
    assert [(column, part, sum(rows)) for column, part, rows in told] == [
        ("number", "0 to 4.75", 5),
        ("number", "4.75 to 9.5", 5),
        ("number", "9.5 to 14.25", 5),
        ("number", "14.25 to 19", 5),
        ("number", "missing", 2),
        ("few", "1", 11),
        ("few", "2", 11),
        ("kind", "a", 12),
        ("kind", "b", 9),
        ("kind", "missing", 1),
        ("mixed", "1", 11),
        ("mixed", "x", 11),
    ]


@pytest.mark.parametrize(
    "column",
    [
        ["1"] * 30, [""] * 30, ["inf", "-inf", "nan"] * 10, ["1e300", "-1e300", "0"] * 10,
        [str(number) for number in [0] * 25 + list(range(5))], [str(n) for n in range(30)],
        [f"text {n}" for n in range(30)], ["x" * 200, "\x00", "é"] * 10, [True, False, 3] * 10,
        [0.0] * 29 + [float("nan")], [str(n % 12) for n in range(30)],
    ],
)  # fmt: skip
@pytest.mark.parametrize("several", [1, 10])
def test_each_row_is_in_one_slice_of_each_column_whatever_it_holds(
    column: list[Any], several: int
) -> None:
    names = [f"c{number}" for number in range(several)]
    told = run_kit(SLICES, json.dumps([dict.fromkeys(names, column), names]))
    assert len(told) <= 20
    for name in names:
        parts = [rows for of, _, rows in told if of == name]
        assert [sum(row) for row in zip(*parts, strict=True)] == [1] * 30
        assert all(any(rows) for rows in parts)
        assert all(len(part) <= 60 for _, part, _ in told)


def test_of_many_values_the_rarest_are_one_slice() -> None:
    column = [f"value {number}" for number in range(40) for _ in range(40 - number)]
    told = run_kit(SLICES, json.dumps([{"c": column}, ["c"]]))
    assert len(told) == 20
    assert [part for _, part, _ in told[:2]] == ["value 0", "value 1"]
    assert told[-1][1] == "others"
    assert sum(told[-1][2]) == sum(range(1, 22))


def test_too_many_columns_are_refused() -> None:
    names = [f"c{number}" for number in range(11)]
    told = run_kit(SLICES, json.dumps([{name: ["1"] for name in names}, names]))
    assert told == "--slices: 11 columns; at most 10 are cut"
