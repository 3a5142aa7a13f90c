"""The one line that says how a run came out, for its note and that of its gate's task.

A task cannot write a note: it leaves the line as an XCom, and `run_listener` makes it a note when
the run has ended.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from retraining.gate.report import canonical, finite, is_path, names
from retraining.gate.words import joined

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
    """Say what the gate decided in one line: ``score 0.614 ≥ 0.6``.

    Where conditions do not hold, only those are told. Others than comparisons of a metric with a
    number are given in the gate's words.
    """
    told = [item for item in decision.judgements if not item.holds] or decision.judgements
    if not told:
        return decision.explanation
    # Parameters are operands, too.
    called = names(
        canonical(path) for item in decision.judgements for path in item.operands if is_path(path)
    )
    return joined(
        [
            _comparison(item.condition, item.operands, called, is_true=item.holds)
            or item.explanation
            for item in told
        ]
    )


def run_note(line: str, version: int | None) -> str:
    """Return the note of a run: ``score 0.614 ≥ 0.6: registered as version 7``."""
    registered = "not registered" if version is None else f"registered as version {version}"
    return f"{line}: {registered}"


def _comparison(
    condition: Mapping[str, Any],
    operands: Mapping[str, Any],
    called: Mapping[str, str],
    *,
    is_true: bool,
) -> str | None:
    left, right = condition.get("LeftValue"), finite(condition.get("RightValue"))
    path = str(left.get("Std:JsonGet", {}).get("Path")) if isinstance(left, dict) else ""
    value = finite(operands.get(path))
    if condition.get("Type") not in _SIGNS or value is None or right is None:
        return None
    sign = _SIGNS[condition["Type"]][0 if is_true else 1]
    # Three digits, unless these would look like the limit itself.
    short = f"{value:.3g}"
    shown = short if float(short) != right or value == right else json.dumps(operands[path])
    return f"{called[canonical(path)]} {shown} {sign} {json.dumps(condition['RightValue'])}"
