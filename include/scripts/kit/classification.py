"""How good predicted labels are, in the form of SageMaker's model quality reports.

https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-model-quality-metrics.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from kit.failure import BadInputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# So many cells of resampled confusion matrices are held at once.
BATCH = 2_000_000
# Of more labels a confusion matrix is no report any more; it is free text that is predicted.
MOST_LABELS = 1_000


def classification_metrics(
    actual: Sequence[object],
    predicted: Sequence[object],
    *,
    positive: str | None = None,
    samples: int,
    seed: int,
) -> dict[str, dict[str, Any]]:
    """Give accuracy, precision, recall and f1, each with its bootstrap standard deviation.

    What is undefined as nothing was predicted to be of a label counts as 0.

    Args:
        actual: Labels; they are compared as texts.
        predicted: As many labels.
        positive: The label that a classifier of two looks for. Without it, precision, recall and f1
            are the labels' means, weighted by how many rows have each.
        samples: How often the rows are drawn anew, with replacement; two or more.
        seed: Of the drawing.

    Returns:
        The report's member ``binary_classification_metrics`` or, without a positive label,
        ``multiclass_classification_metrics``. Its ``confusion_matrix`` has the number of rows by
        actual, then predicted label.

    Raises:
        BadInputError: There are fewer than two actual labels, all predictions are of labels that no
            row has, or there are more labels than two where one is positive, or than 1,000.
    """
    truth, guess = [[str(label) for label in labels] for labels in (actual, predicted)]
    labels = sorted({*truth, *guess})
    _check(truth, guess, labels=labels, positive=positive)
    numbers = {label: number for number, label in enumerate(labels)}
    size = len(labels)
    pairs = np.array(
        [numbers[t] * size + numbers[g] for t, g in zip(truth, guess, strict=True)], dtype=np.intp
    )
    cells, counts = np.unique(pairs, return_counts=True)
    if positive is None:
        section, prefix, measure = "multiclass_classification_metrics", "weighted_", _weighted
    else:
        section, prefix, measure = (
            "binary_classification_metrics", "", _of_label(numbers[positive])
        )  # fmt: skip

    def metrics(counted: np.ndarray) -> dict[str, np.ndarray]:
        """Measure confusion matrices, of which each row of ``counted`` has the filled cells."""
        matrices = np.zeros((len(counted), size * size))
        matrices[:, cells] = counted
        return measure(matrices.reshape(-1, size, size))

    # To draw as many rows anew is to draw how many of them fall into each cell.
    random = np.random.default_rng(seed)
    batch = max(1, BATCH // size**2)
    draws = [
        metrics(random.multinomial(len(pairs), counts / len(pairs), min(batch, samples - done)))
        for done in range(0, samples, batch)
    ]
    matrix = np.zeros(size * size, dtype=int)
    matrix[cells] = counts
    result: dict[str, Any] = {
        "confusion_matrix": {
            label: dict(zip(labels, row, strict=True))
            for label, row in zip(labels, matrix.reshape(size, size).tolist(), strict=True)
        }
    }
    for name, value in metrics(counts[None]).items():
        values = np.concatenate([draw[name] for draw in draws])
        # A draw without a row of the positive label has no recall.
        values = values[np.isfinite(values)]
        result[name if name == "accuracy" else prefix + name] = {
            "value": float(value[0]),
            "standard_deviation": float(np.std(values, ddof=1)) if len(values) > 1 else 0.0,
        }
    return {section: result}


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


def _of_label(number: int) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
    def measure(matrices: np.ndarray) -> dict[str, np.ndarray]:
        precision, recall, f1 = (values[:, number] for values in _by_label(matrices))
        return {
            "accuracy": _accuracy(matrices), "precision": precision, "recall": recall, "f1": f1
        }  # fmt: skip

    return measure


def _weighted(matrices: np.ndarray) -> dict[str, np.ndarray]:
    rows = matrices.sum(axis=2)
    weights = rows / rows.sum(axis=1, keepdims=True)
    precision, recall, f1 = (
        (np.where(weights > 0, values, 0) * weights).sum(axis=1) for values in _by_label(matrices)
    )
    return {"accuracy": _accuracy(matrices), "precision": precision, "recall": recall, "f1": f1}


def _accuracy(matrices: np.ndarray) -> np.ndarray:
    hits = np.trace(matrices, axis1=1, axis2=2)
    return hits / matrices.sum(axis=(1, 2))


def _by_label(matrices: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give precision, recall and f1 of each matrix, label by label; NaN where no row has it."""
    hits = np.diagonal(matrices, axis1=1, axis2=2)
    rows, claims = matrices.sum(axis=2), matrices.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = np.where(claims > 0, hits / claims, 0.0)
        return precision, hits / rows, np.where(rows > 0, 2 * hits / (rows + claims), np.nan)
