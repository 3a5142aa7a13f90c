"""The one line that says how a run came out, for its note and that of its gate's task.

A task cannot write a note: it leaves the line as an XCom, and `run_listener` makes it a note when
the run has ended.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retraining.gate.decision import Decision

_SIGNS = {
    "GreaterThanOrEqualTo": ("≥", "<"),
    "GreaterThan": (">", "≤"),
    "LessThanOrEqualTo": ("≤", ">"),
    "LessThan": ("<", "≥"),
}


def verdict_line(decision: Decision) -> str:
    """Say what the gate decided in one line: ``r2_score 0.614 ≥ 0.6``.

    Conditions other than comparisons of a metric with a number are given in the gate's words.
    """
    if not decision.judgements:
        return " ".join(decision.explanation.split())
    return "; ".join(
        _comparison(item.condition, item.operands, is_true=item.holds) or item.explanation
        for item in decision.judgements
    )


def run_note(line: str, version: int | None) -> str:
    """Return the note of a run: ``r2_score 0.614 ≥ 0.6: registered as version 7``."""
    registered = "not registered" if version is None else f"registered as version {version}"
    return f"{line}: {registered}"


def _comparison(
    condition: Mapping[str, Any], operands: Mapping[str, Any], *, is_true: bool
) -> str | None:
    left, right = condition.get("LeftValue"), condition.get("RightValue")
    path = left.get("Std:JsonGet", {}).get("Path") if isinstance(left, dict) else None
    value = operands.get(path) if path else None
    is_plain = isinstance(value, int | float) and isinstance(right, int | float)
    if condition.get("Type") not in _SIGNS or not is_plain:
        return None
    sign = _SIGNS[condition["Type"]][0 if is_true else 1]
    name = str(path).removesuffix(".value").rpartition(".")[2]
    # Three digits, unless these would look like the limit itself.
    short = f"{value:.3g}"
    shown = short if float(short) != right or value == right else json.dumps(value)
    return f"{name} {shown} {sign} {json.dumps(right)}"
