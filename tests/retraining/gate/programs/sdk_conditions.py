"""Writes conditions as the SageMaker SDK writes them: JSON on stdin, JSON into the file named.

A condition is ``[kind, *operands]``; of an operand ``{"metric": path}`` is a metric.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from sagemaker.core.workflow import conditions
from sagemaker.core.workflow.functions import JsonGet
from sagemaker.mlops.workflow.condition_step import ConditionStep
from sagemaker.mlops.workflow.pipeline import interpolate


def operand(told: Any) -> Any:
    """Return an operand of the SDK's."""
    if isinstance(told, dict):
        return JsonGet(step_name="evaluate", property_file="report", json_path=told["metric"])
    return told


def condition(told: list[Any]) -> conditions.Condition:
    """Return a condition of the SDK's."""
    kind, *rest = told
    make = getattr(conditions, f"Condition{kind}")
    if kind == "Not":
        return make(condition(rest[0]))
    if kind == "Or":
        return make([condition(item) for item in rest[0]])
    if kind == "In":
        return make(operand(rest[0]), [operand(item) for item in rest[1]])
    return make(*map(operand, rest))


step = ConditionStep(name="gate", conditions=[condition(item) for item in json.load(sys.stdin)])
written = interpolate(step.step_only_arguments, {}, {}, "pipeline")
Path(sys.argv[1]).write_text(json.dumps(written["Conditions"]))
