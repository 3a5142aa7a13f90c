"""What was decided about a run's data, and how far each column is from other nights'."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from retraining import naming
from retraining.gate.data import BASELINE, REFERENCE
from retraining.gate.distance import OF_COLUMNS
from retraining.gate.report import finite
from retraining.runs.record_shape import fitting
from retraining.web import decisions, json_views

if TYPE_CHECKING:
    from collections.abc import Iterable

# More columns are not shown, however many a table has: those that are farthest are the first.
_MANY = 100
_SECTIONS = {BASELINE: "distance", REFERENCE: "drift"}
_OF_TABLE = ("row_ratio", "duplicate_share_increase")
_OF_VERSION = ("version", "snapshot", "why")


def read(s3: Any, run_uri: str) -> dict[str, Any] | None:
    """Read what a run's page shows of its data; None if nothing was decided about them.

    Args:
        s3: The client.
        run_uri: The run's folder.

    Returns:
        ``verdict``, ``explanation`` and ``conditions``; for ``baseline`` and ``reference`` each the
        version, why it is that or why there is none, and ``of_table``, the distances of all rows
        together; ``measures``, the names of the distances of a column; ``columns``, each with its
        ``name`` and those distances by role, the farthest first; and ``more``, how many columns
        are left out.

    Raises:
        BrokenFileError: The record is too large, or no decision record.
    """
    uri = naming.data_decision_uri(run_uri)
    body = decisions.body(s3, uri)
    if body is None:
        return None
    try:
        told = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise decisions.BrokenFileError(f"{uri} is not JSON: {error}") from error
    if not isinstance(told, Mapping):
        raise decisions.BrokenFileError(f"{uri} is no JSON object")
    record, _ = fitting(told)
    return shown(record)


def shown(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is shown of a record whose members have their shapes."""
    data = _mapping(record.get("data"))
    comparison, missing = _mapping(data.get("comparison")), _mapping(data.get("missing"))
    sections = {role: _mapping(comparison.get(name)) for role, name in _SECTIONS.items()}
    columns = {role: _mapping(told.get("columns")) for role, told in sections.items()}
    names = dict.fromkeys(name for role in _SECTIONS for name in columns[role])
    ordered = sorted(names, key=lambda name: -_farthest(columns[BASELINE].get(name)))
    return {
        "verdict": json_views.text(record.get("verdict", "")),
        "explanation": json_views.text(record.get("explanation", "")),
        "conditions": json_views.conditions_of(record),
        **{
            role: {
                **{
                    name: json_views.text(value)
                    for name in _OF_VERSION
                    if (value := _mapping(data.get(role)).get(name))
                },
                "missing": json_views.text(missing.get(role, "")),
                "of_table": _numbers(sections[role], _OF_TABLE),
            }
            for role in _SECTIONS
        },
        "measures": list(OF_COLUMNS),
        "columns": [
            {
                "name": json_views.text(name),
                **{role: _numbers(columns[role].get(name), OF_COLUMNS) for role in _SECTIONS},
            }
            for name in islice(ordered, _MANY)
        ],
        "more": max(0, len(ordered) - _MANY),
    }


def _farthest(column: object) -> float:
    return _numbers(column, ("stability_index",)).get("stability_index", 0.0)


def _numbers(told: object, names: Iterable[str]) -> dict[str, float]:
    found = _mapping(told)
    return {name: number for name in names if (number := finite(found.get(name))) is not None}


def _mapping(told: object) -> Mapping[str, Any]:
    return told if isinstance(told, Mapping) else {}
