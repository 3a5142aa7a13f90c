"""The library of gated retraining: a pipeline's declaration, steps, and the rooms behind them.

It knows no particular pipeline: a pipeline is one DAG file and one folder of scripts.
"""

from __future__ import annotations

from retraining.gate.conditions import (
    Equals,
    GreaterThan,
    GreaterThanOrEqualTo,
    In,
    LessThan,
    LessThanOrEqualTo,
    Metric,
    Not,
    Or,
    Parameter,
)
from retraining.pipeline import Image, Pipeline

__all__ = [
    "Equals",
    "GreaterThan",
    "GreaterThanOrEqualTo",
    "Image",
    "In",
    "LessThan",
    "LessThanOrEqualTo",
    "Metric",
    "Not",
    "Or",
    "Parameter",
    "Pipeline",
]
