"""The library of gated retraining: a pipeline's declaration, steps, and the rooms behind them.

It knows no particular pipeline: a pipeline is one DAG file and one folder of scripts.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from retraining.gate.champion import better_than_champion, not_worse_than_champion
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
    "better_than_champion",
    "not_worse_than_champion",
]


def __getattr__(name: str) -> object:
    """Import a word of the authors' when a DAG file asks for it: every task loads this package."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = "gate.champion" if name.endswith("_champion") else "gate.conditions"
    home = "pipeline" if name in {"Image", "Pipeline"} else home
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)
