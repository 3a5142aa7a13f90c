"""A pipeline as tests declare it, where nothing about it matters but what they change."""

from __future__ import annotations

from typing import Any

from retraining import GreaterThanOrEqualTo, Image, Metric, Parameter, Pipeline


def pipeline(name: str, **changes: Any) -> Pipeline:
    """Return a declaration of a regression that is judged by its score."""
    score = Metric("scores_metrics.score")
    declared: dict[str, Any] = {
        "description": "a model",
        "image": Image("sklearn", "1.4-2-py312"),
        "policy": (GreaterThanOrEqualTo(score, Parameter("least")),),
        "headline": score,
        "better": "higher",
        "realtime_instance_types": ("ml.m5.large",),
        "transform_instance_types": ("ml.m5.large",),
    }
    return Pipeline(name=name, **(declared | changes))
