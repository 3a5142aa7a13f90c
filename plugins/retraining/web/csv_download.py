"""The table as a file."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_FIRST = (
    "snapshot", "run_id", "run_type", "state", "run_after", "seconds", "verdict", "explanation",
)  # fmt: skip
_LAST = ("version", "approval", "is_serving")


def text(
    rows: Sequence[Mapping[str, Any]], jobs: Mapping[str, Mapping[str, Mapping[str, Any]]]
) -> str:
    """Return rows as CSV with a header.

    Args:
        rows: From ``answers.row``.
        jobs: The jobs of a run by step, from ``answers.job``.
    """
    metrics = _names(row["metrics"] for row in rows)
    counts = _names(row["rows"] for row in rows)
    steps = _names(found for found in jobs.values())
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\r\n")
    writer.writerow([
        *_FIRST, "metric", "threshold", *metrics, *(f"rows_{name}" for name in counts), *_LAST,
        *(f"{step}_{what}" for step in steps for what in ("seconds", "cost_usd")),
    ])  # fmt: skip
    for row in rows:
        limit = row["metric"] or {}
        found = jobs.get(row["run_id"], {})
        cells = [
            *(row[name] for name in _FIRST), limit.get("name"), limit.get("threshold"),
            *(row["metrics"].get(name) for name in metrics),
            *(row["rows"].get(name) for name in counts),
            *(row[name] for name in _LAST),
            *(found.get(step, {}).get(what) for step in steps for what in ("seconds", "cost")),
        ]  # fmt: skip
        writer.writerow([_cell(cell) for cell in cells])
    return file.getvalue()


def _names(mappings: Iterable[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for mapping in mappings for name in mapping))


def _cell(value: object) -> object:
    # A spreadsheet takes a text that begins so for a formula.
    if isinstance(value, str) and value[:1] in {"=", "+", "-", "@", "\t", "\r"}:
        return f"'{value}"
    return "" if value is None else value
