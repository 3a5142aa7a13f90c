"""The metrics that the container computes itself, with scikit-learn, beside XGBoost's own.

Of a classifier's predictions a probability becomes the likelier label first.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn import metrics

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_OF_LABELS: dict[str, Callable[[Any, Any], float]] = {
    "accuracy": metrics.accuracy_score,
    "balanced_accuracy": metrics.balanced_accuracy_score,
    "f1": partial(metrics.f1_score, average="macro"),
    "f1_binary": partial(metrics.f1_score, average="binary"),
    "f1_macro": partial(metrics.f1_score, average="macro"),
    "precision": metrics.precision_score,
    "precision_macro": partial(metrics.precision_score, average="macro"),
    "precision_micro": partial(metrics.precision_score, average="micro"),
    "recall": metrics.recall_score,
    "recall_macro": partial(metrics.recall_score, average="macro"),
    "recall_micro": partial(metrics.recall_score, average="micro"),
}
_OF_VALUES: dict[str, Callable[[Any, Any], float]] = {
    "mse": metrics.mean_squared_error,
    "r2": metrics.r2_score,
}


def evaluation(names: Sequence[str], *, objective: str) -> Callable[[Any, Any], list[Any]]:
    """Return what `xgboost.train` takes as `custom_metric`.

    Args:
        names: Of `_OF_LABELS` and `_OF_VALUES`.
        objective: The hyperparameter; raw scores have another threshold than probabilities.
    """

    def evaluate(predicted: Any, data: Any) -> list[tuple[str, float]]:
        actual = data.get_label()
        labels = _labels(predicted, threshold=0.0 if objective == "binary:logitraw" else 0.5)
        return [
            (name, float(_OF_VALUES[name](actual, predicted)))
            if name in _OF_VALUES
            else (name, float(_OF_LABELS[name](actual, labels)))
            for name in names
        ]

    def _labels(predicted: Any, *, threshold: float) -> Any:
        if predicted.ndim > 1:
            return np.argmax(predicted, axis=1)
        if objective.startswith("multi:"):
            return predicted
        return (predicted > threshold).astype(int)

    return evaluate
