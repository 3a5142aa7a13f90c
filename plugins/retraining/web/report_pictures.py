"""What a report tells of a classifier besides its metrics, checked and made small enough to show.

Each member may be anything, as scripts write reports; whatever is not as it should be is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from retraining.gate.report import finite
from retraining.pipeline import CLASS_METRICS, LEARNING_CURVES, WORST_ERRORS
from retraining.web.json_views import text

if TYPE_CHECKING:
    from collections.abc import Sequence

OF_REPORTS = (CLASS_METRICS, LEARNING_CURVES, WORST_ERRORS)
_LABELS = 30
_MEASURES = ("precision", "recall", "f1")
_EPOCHS = 1_000
_CURVES = 8
_ERRORS = 20


def pictured(report: Mapping[str, Any], plots: Sequence[str]) -> dict[str, Any]:
    """Return what the page draws of a report, by the plot's name.

    Args:
        report: The content of ``evaluation.json``.
        plots: What the pipeline draws; a plot that the report has nothing for is left out.

    Returns:
        ``class_metrics``: of each label precision, recall and f1, each with value and deviation.
        ``learning_curves``: by name, a number or None for each epoch. ``worst_errors``: each with
        text, actual, predicted and probability.
    """
    made = {
        CLASS_METRICS: _classes(report.get(CLASS_METRICS)),
        LEARNING_CURVES: _curves(report.get(LEARNING_CURVES)),
        WORST_ERRORS: _errors(report.get(WORST_ERRORS)),
    }
    return {name: made[name] for name in OF_REPORTS if name in plots and made[name]}


def _classes(told: object) -> list[dict[str, Any]]:
    pairs = list(told.items())[:_LABELS] if isinstance(told, Mapping) else []
    return [
        {"label": text(label)} | {name: _measure(measures.get(name)) for name in _MEASURES}
        for label, measures in pairs
        if isinstance(measures, Mapping)
    ]


def _measure(told: object) -> dict[str, float | None]:
    if not isinstance(told, Mapping):
        told = {"value": told}
    return {name: finite(told.get(name)) for name in ("value", "standard_deviation")}


def _curves(told: object) -> dict[str, list[float | None]]:
    epochs = _records(told)[:_EPOCHS]
    names = list(dict.fromkeys(name for epoch in epochs for name in epoch if name != "epoch"))
    curves = {text(name): [finite(epoch.get(name)) for epoch in epochs] for name in names[:_CURVES]}
    return {
        name: values
        for name, values in curves.items()
        if any(value is not None for value in values)
    }


def _errors(told: object) -> list[dict[str, Any]]:
    return [
        {
            "text": text(error["text"]),
            "actual": text(error.get("actual", "")),
            "predicted": text(error.get("predicted", "")),
            "probability": finite(error.get("probability")),
        }
        for error in _records(told)[:_ERRORS]
        if isinstance(error.get("text"), str)
    ]


def _records(told: object) -> list[Mapping[Any, Any]]:
    return [item for item in told if isinstance(item, Mapping)] if isinstance(told, list) else []
