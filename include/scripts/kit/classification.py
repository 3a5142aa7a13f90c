"""How good predicted labels are, in the form of SageMaker's model quality reports.

https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-model-quality-metrics.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from kit.difference import difference, share_of_wins
from kit.failure import BadInputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# So many cells of resampled confusion matrices are held at once.
BATCH = 2_000_000
# Of more labels a confusion matrix is no report any more; it is free text that is predicted.
MOST_LABELS = 1_000
# How much more recall weighs than precision.
BETAS = {"f0_5": 0.5, "f1": 1.0, "f2": 2.0}
OF_LABEL = ("precision", "recall", "f1")


def classification_metrics(
    actual: Sequence[object],
    predicted: Sequence[object],
    *,
    positive: str | None = None,
    samples: int,
    seed: int,
) -> dict[str, dict[str, Any]]:
    """Give accuracy, precision, recall and f, each with its bootstrap standard deviation.

    What is undefined as nothing was predicted to be of a label counts as 0.

    Args:
        actual: Labels; they are compared as texts.
        predicted: As many labels.
        positive: The label that a classifier of two looks for. Without it, precision, recall and f
            are the labels' means, weighted by how many rows have each.
        samples: How often the rows are drawn anew, with replacement; two or more.
        seed: Of the drawing.

    Returns:
        The report's member ``binary_classification_metrics`` or, without a positive label,
        ``multiclass_classification_metrics``. Its ``confusion_matrix`` has the number of rows by
        actual, then predicted label. The latter also has f0.5 and f2, and what a classifier would
        reach that always predicts the most frequent actual label: ``…_best_constant_classifier``.

    Raises:
        BadInputError: There are fewer than two actual labels, all predictions are of labels that no
            row has, or there are more labels than two where one is positive, or than 1,000.
    """
    counted = _Counted(actual, predicted, positive=positive)
    if positive is None:
        most_frequent = int(counted.matrix.sum(axis=1).argmax())
        section, measure = "multiclass_classification_metrics", _beside_constant(most_frequent)
    else:
        number = counted.labels.index(positive)
        section, measure = "binary_classification_metrics", _of_label(number)
    matrix = {
        label: dict(zip(counted.labels, row, strict=True))
        for label, row in zip(counted.labels, counted.matrix.tolist(), strict=True)
    }
    metrics = counted.measured(measure, samples=samples, seed=seed)
    return {section: {"confusion_matrix": matrix, **metrics}}


def class_metrics(
    actual: Sequence[object], predicted: Sequence[object], *, samples: int, seed: int
) -> dict[str, dict[str, Any]]:
    """Give precision, recall and f1 of each label, each with its bootstrap standard deviation.

    Args:
        actual: As of ``classification_metrics``.
        predicted: As of ``classification_metrics``.
        samples: As of ``classification_metrics``.
        seed: As of ``classification_metrics``.

    Returns:
        The report's member ``class_metrics``: by label, of those that some row has.

    Raises:
        BadInputError: As of ``classification_metrics``.
    """
    counted = _Counted(actual, predicted, positive=None)
    return {
        "class_metrics": {
            label: counted.measured(_of_label(number, accuracy=False), samples=samples, seed=seed)
            for number, label in enumerate(counted.labels)
            if counted.matrix[number].any()
        }
    }


def classification_difference(
    actual: Sequence[object],
    candidate: Sequence[object],
    champion: Sequence[object],
    *,
    positive: str | None = None,
    samples: int,
    seed: int,
) -> dict[str, Any]:
    """Give how two models' metrics differ, with a paired bootstrap.

    Args:
        actual: Labels; they are compared as texts.
        candidate: As many predicted labels.
        champion: As many of the other model's.
        positive: As of ``classification_metrics``.
        samples: As of ``classification_metrics``.
        seed: As of ``classification_metrics``.

    Returns:
        The same section as that of ``classification_metrics``, of each metric of a model what
        ``difference`` gives; and ``win_rate``, the share of rows that the candidate alone has
        right, and half of those where both are right or both wrong.
    """
    texts = [[str(label) for label in each] for each in (actual, candidate, champion)]
    labels = sorted({*texts[0], *texts[1], *texts[2], *([positive] if positive else [])})
    numbers = {label: number for number, label in enumerate(labels)}
    truth, *guesses = np.array([[numbers[label] for label in each] for each in texts])
    triples, counts = np.unique(np.array([truth, *guesses]), axis=1, return_counts=True)
    if positive is None:
        section, measure = "multiclass_classification_metrics", _weighted
    else:
        section = "binary_classification_metrics"
        measure = _of_label(numbers[positive])
    size, rows = len(labels), int(counts.sum())
    random = np.random.default_rng(seed)
    batch = max(1, BATCH // size**2)
    # The first is what was drawn already: all rows once.
    draws = [counts[None]] + [
        random.multinomial(rows, counts / rows, min(batch, samples - done))
        for done in range(0, samples, batch)
    ]
    ours, theirs = (
        [measure(_matrices(triples[0], guess, drawn, size=size)) for drawn in draws]
        for guess in triples[1:]
    )
    metrics = {}
    for name in ours[0]:
        drawn = [np.concatenate([found[name] for found in each[1:]]) for each in (ours, theirs)]
        values = [float(each[0][name][0]) for each in (ours, theirs)]
        if told := difference(*values, *drawn, lower_is_better=False):
            metrics[name] = told
    hits = [(guess == truth).astype(float) for guess in guesses]
    return {section: metrics, "win_rate": share_of_wins(*hits)}


def _matrices(
    truth: np.ndarray, guess: np.ndarray, counted: np.ndarray, *, size: int
) -> np.ndarray:
    """Make confusion matrices, one of each row of ``counted``; several may fill a cell."""
    matrices = np.zeros((len(counted), size * size))
    for cell, column in zip(truth * size + guess, counted.T, strict=True):
        matrices[:, cell] += column
    return matrices.reshape(-1, size, size)


class _Counted:
    """How many rows have which actual and predicted label, and what may be drawn of them."""

    def __init__(
        self, actual: Sequence[object], predicted: Sequence[object], *, positive: str | None
    ) -> None:
        truth, guess = [[str(label) for label in labels] for labels in (actual, predicted)]
        self.labels = sorted({*truth, *guess})
        _check(truth, guess, labels=self.labels, positive=positive)
        numbers = {label: number for number, label in enumerate(self.labels)}
        size = len(self.labels)
        pairs = np.array(
            [numbers[t] * size + numbers[g] for t, g in zip(truth, guess, strict=True)],
            dtype=np.intp,
        )
        self._rows = len(pairs)
        self._cells, self._counts = np.unique(pairs, return_counts=True)
        self.matrix = self._matrices(self._counts[None])[0].astype(int)

    def measured(
        self, measure: Callable[[np.ndarray], dict[str, np.ndarray]], *, samples: int, seed: int
    ) -> dict[str, dict[str, float]]:
        """Give each value of ``measure``, and its deviation over rows that are drawn anew."""
        # To draw as many rows anew is to draw how many of them fall into each cell.
        random = np.random.default_rng(seed)
        batch = max(1, BATCH // self.matrix.size)
        shares = self._counts / self._rows
        draws = [
            measure(
                self._matrices(random.multinomial(self._rows, shares, min(batch, samples - done)))
            )
            for done in range(0, samples, batch)
        ]
        result = {}
        for name, value in measure(self.matrix[None].astype(float)).items():
            values = np.concatenate([draw[name] for draw in draws])
            # A draw without a row of a label has no recall of it.
            values = values[np.isfinite(values)]
            result[name] = {
                "value": float(value[0]),
                "standard_deviation": float(np.std(values, ddof=1)) if len(values) > 1 else 0.0,
            }
        return result

    def _matrices(self, counted: np.ndarray) -> np.ndarray:
        """Make confusion matrices, of which each row of ``counted`` has the filled cells."""
        size = len(self.labels)
        matrices = np.zeros((len(counted), size * size))
        matrices[:, self._cells] = counted
        return matrices.reshape(-1, size, size)


def _check(
    actual: list[str], predicted: list[str], *, labels: list[str], positive: str | None
) -> None:
    known = sorted(set(actual))
    if len(known) < 2:
        raise BadInputError(
            f"the test split has {len(actual)} rows, of {len(known)} labels "
            f"({', '.join(map(repr, known))}); metrics need rows of two labels or more"
        )
    if not {*predicted} & {*known}:
        raise BadInputError(
            f"the model predicts {_some(predicted)}, and the test split's labels are "
            f"{_some(actual)}: no prediction can be right; are the labels spelt alike?"
        )
    if len(labels) > MOST_LABELS:
        raise BadInputError(
            f"the actual and predicted labels are {_some(labels)}; a report tells {MOST_LABELS} "
            "apart at most"
        )
    if positive is not None and (positive not in known or len(labels) > 2):
        raise BadInputError(
            f"{positive!r} must be one of two labels; the actual and predicted ones are "
            f"{_some(labels)}"
        )


def _some(labels: Sequence[str]) -> str:
    found = sorted(set(labels))
    return ", ".join(map(repr, found[:5])) + (f" and {len(found) - 5} more" if found[5:] else "")


def _of_label(
    number: int, *, accuracy: bool = True
) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
    def measure(matrices: np.ndarray) -> dict[str, np.ndarray]:
        found = _by_label(matrices)
        of_label = {name: found[name][:, number] for name in OF_LABEL}
        return {"accuracy": _accuracy(matrices), **of_label} if accuracy else of_label

    return measure


def _beside_constant(label: int) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
    def measure(matrices: np.ndarray) -> dict[str, np.ndarray]:
        constant = np.zeros_like(matrices)
        constant[:, :, label] = matrices.sum(axis=2)
        of_constant = _weighted(constant)
        return _weighted(matrices) | {
            f"{name}_best_constant_classifier": values for name, values in of_constant.items()
        }

    return measure


def _weighted(matrices: np.ndarray) -> dict[str, np.ndarray]:
    rows = matrices.sum(axis=2)
    weights = rows / rows.sum(axis=1, keepdims=True)
    return {"accuracy": _accuracy(matrices)} | {
        f"weighted_{name}": (np.where(weights > 0, values, 0) * weights).sum(axis=1)
        for name, values in _by_label(matrices).items()
    }


def _accuracy(matrices: np.ndarray) -> np.ndarray:
    hits = np.trace(matrices, axis1=1, axis2=2)
    return hits / matrices.sum(axis=(1, 2))


def _by_label(matrices: np.ndarray) -> dict[str, np.ndarray]:
    """Give precision, recall and f of each matrix, label by label; NaN where no row has it."""
    hits = np.diagonal(matrices, axis1=1, axis2=2)
    rows, claims = matrices.sum(axis=2), matrices.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = {"precision": np.where(claims > 0, hits / claims, 0.0), "recall": hits / rows}
        for name, beta in BETAS.items():
            f = (1 + beta**2) * hits / (beta**2 * rows + claims)
            found[name] = np.where(rows > 0, f, np.nan)
    return found
