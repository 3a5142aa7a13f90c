"""The metrics of labels and numbers, beside scikit-learn's and a plain loop's."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.scripts.jobs import KIT, run_cold

# The labels of 300 rows, of which the model gets about three in four right.
LABELS = """
import json, sys, numpy as np
from kit.classification import classification_metrics
from kit.failure import BadInputError
random = np.random.RandomState(3)
names = np.array(sys.argv[1].split(","))
shares = np.arange(1, len(names) + 1) / sum(range(len(names) + 1))
actual = names[random.choice(len(names), 300, p=shares)]
predicted = np.where(random.rand(300) < 0.75, actual, names[random.choice(len(names), 300)])
"""
REFERENCE = (
    LABELS
    + """
from sklearn import metrics as m
positive = sys.argv[2] or None
how = {"average": "weighted"} if positive is None else {"pos_label": sorted(names).index(positive)}
a, p = (np.searchsorted(sorted(names), labels) for labels in (actual, predicted))
most_frequent = np.bincount(a).argmax()
def all_of(a, p):
    if positive is None:
        return scored(a, p) + scored(a, np.full_like(a, most_frequent))
    return scored(a, p)
def scored(a, p):
    betas = [1] if positive else [0.5, 1, 2]
    given = {"zero_division": 0, **how}
    return [
        m.accuracy_score(a, p), m.precision_score(a, p, **given), m.recall_score(a, p, **given),
        *(m.fbeta_score(a, p, beta=beta, **given) for beta in betas),
    ]
draws = []
for _ in range(200):
    chosen = random.randint(0, 300, 300)
    draws.append(all_of(a[chosen], p[chosen]))
ours = classification_metrics(actual, predicted, positive=positive, samples=1000, seed=1)
print(json.dumps({
    "ours": ours,
    "values": all_of(a, p),
    "spreads": np.std(draws, axis=0, ddof=1).tolist(),
    "matrix": m.confusion_matrix(actual, predicted).tolist(),
}))
"""
)
METRICS = """
import json, sys
from kit.classification import classification_metrics
from kit.failure import BadInputError
actual, predicted, positive = json.loads(sys.argv[1])
try:
    found = classification_metrics(actual, predicted, positive=positive, samples=200, seed=1)
except BadInputError as error:
    found = str(error)
print(json.dumps(found, allow_nan=False))
"""


def run_kit(code: str, *arguments: str) -> Any:
    done = run_cold("-W", "error", "-c", code, *arguments, PYTHONPATH=KIT.parent)
    assert done.code == 0, done.stderr
    return json.loads(done.stdout)


def metrics_of(actual: list[Any], predicted: list[Any], positive: str | None = None) -> Any:
    return run_kit(METRICS, json.dumps([actual, predicted, positive]))


BINARY = ["accuracy", "precision", "recall", "f1"]
WEIGHTED = ["accuracy", *(f"weighted_{m}" for m in ("precision", "recall", "f0_5", "f1", "f2"))]
MULTICLASS = [*WEIGHTED, *(f"{name}_best_constant_classifier" for name in WEIGHTED)]


@pytest.mark.parametrize(
    ("labels", "positive", "section", "names"),
    [
        ("a,b", "b", "binary_classification_metrics", BINARY),
        ("a,b", "", "multiclass_classification_metrics", MULTICLASS),
        ("a,b,c,d,e", "", "multiclass_classification_metrics", MULTICLASS),
    ],
)
def test_labels_are_judged_as_scikit_learn_does(
    labels: str, positive: str, section: str, names: list[str]
) -> None:
    found = run_kit(REFERENCE, labels, positive)
    assert list(found["ours"]) == [section]
    metrics = found["ours"][section]
    matrix = metrics.pop("confusion_matrix")
    assert list(matrix) == labels.split(",")
    assert [list(row.values()) for row in matrix.values()] == found["matrix"]
    assert list(metrics) == names
    assert [metric["value"] for metric in metrics.values()] == pytest.approx(found["values"])
    spreads = [metric["standard_deviation"] for metric in metrics.values()]
    assert spreads == pytest.approx(found["spreads"], rel=0.2)


def test_the_same_seed_draws_the_same() -> None:
    twice = [metrics_of([*"aabb"] * 5, [*"abbb"] * 5) for _ in range(2)]
    assert twice[0] == twice[1]


def test_labels_are_compared_as_texts() -> None:
    as_numbers = metrics_of([0, 1, 1, 0], [0, 1, 0, 0], "1")
    assert as_numbers == metrics_of([*"0110"], [0, 1, 0, 0], "1")
    assert as_numbers["binary_classification_metrics"]["accuracy"]["value"] == 0.75


def test_what_was_never_predicted_counts_as_0() -> None:
    metrics = metrics_of([*"aaab"], [*"aaaa"], "b")["binary_classification_metrics"]
    values = {name: metrics[name]["value"] for name in ("accuracy", "precision", "recall", "f1")}
    assert values == {"accuracy": 0.75, "precision": 0, "recall": 0, "f1": 0}
    # A draw of the first three rows alone has no recall; the others have one of 0.
    assert metrics["recall"]["standard_deviation"] == 0
    assert metrics["confusion_matrix"] == {"a": {"a": 3, "b": 0}, "b": {"a": 1, "b": 0}}


def test_label_that_no_row_has_is_in_the_matrix() -> None:
    metrics = metrics_of([*"aabb"], [*"aabc"])["multiclass_classification_metrics"]
    assert metrics["confusion_matrix"]["b"] == {"a": 0, "b": 1, "c": 1}
    assert metrics["weighted_precision"]["value"] == 1
    assert metrics["weighted_recall"]["value"] == 0.75


@pytest.mark.parametrize(
    ("actual", "predicted", "positive", "expected"),
    [
        ([], [], None, "the test split has 0 rows, of 0 labels ()"),
        (["a"] * 3, ["a"] * 3, None, "the test split has 3 rows, of 1 labels ('a')"),
        ([0, 1], [0.0, 1.0], None, "the model predicts '0.0', '1.0', and the test split's labels"),
        ([*"abc"], [*"abc"], "a", "'a' must be one of two labels"),
        ([*"ab"], [*"ab"], "c", "'c' must be one of two labels"),
        ([*range(2_000)], [*range(2_000)], None, "the actual and predicted labels are '0', "),
        ([*"abcdefgh"], ["z"] * 8, None, "the model predicts 'z', and the test split's labels are"),
    ],
)  # fmt: skip
def test_labels_that_cannot_be_judged_are_refused(
    actual: list[Any], predicted: list[Any], positive: str | None, expected: str
) -> None:
    assert metrics_of(actual, predicted, positive).startswith(expected)


CLASSES = """
import json, sys
from kit.classification import class_metrics
actual, predicted = json.loads(sys.argv[1])
print(json.dumps(class_metrics(actual, predicted, samples=200, seed=1)))
"""


def test_each_label_that_a_row_has_is_measured_by_itself() -> None:
    found = run_kit(CLASSES, json.dumps([[*"aaabbb"], [*"aabbbc"]]))["class_metrics"]
    values = {label: {n: m["value"] for n, m in told.items()} for label, told in found.items()}
    third = pytest.approx(2 / 3)
    assert values == {
        "a": {"precision": 1, "recall": third, "f1": pytest.approx(0.8)},
        "b": {"precision": third, "recall": third, "f1": third},
    }
    assert all(m["standard_deviation"] > 0 for m in found["b"].values())
