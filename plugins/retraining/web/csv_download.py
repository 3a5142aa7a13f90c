"""The table as a file."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

from retraining.gate.report import names
from retraining.runs.csv_cells import cell

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_FIRST = (
    "snapshot", "run_id", "run_type", "state", "run_after", "seconds", "verdict", "explanation",
    "fault",
)  # fmt: skip
NOTICE = "notice"
_LAST = ("version", "approval", "is_serving")


def text(
    rows: Sequence[Mapping[str, Any]],
    jobs: Mapping[str, Mapping[str, Mapping[str, Any]]],
    *,
    notices: Sequence[str] = (),
) -> str:
    """Return rows as CSV with a header; a metric's column is called as all rows together allow.

    Args:
        rows: From ``json_views.row``.
        jobs: The jobs of a run by step, from ``json_views.job``.
        notices: What could not be read; each has a row before all others, whose verdict is
            ``notice``, and stands where the others have their explanation.
    """
    headlines = [row["metric"]["path"] for row in rows if row["metric"]]
    metrics = _keys(row["metrics"] for row in rows)
    called = names([*metrics, *headlines])
    counts = _keys(row["rows"] for row in rows)
    steps = _keys(found for found in jobs.values())
    before = [*_FIRST, "metric", "threshold"]
    after = [
        *(f"rows_{name}" for name in counts), *_LAST,
        *(f"{step}_{what}" for step in steps for what in ("seconds", "cost_usd")),
    ]  # fmt: skip
    taken = {*before, *after}
    between = [f"metric {path}" if called[path] in taken else called[path] for path in metrics]
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\r\n")
    writer.writerow([cell(head) for head in (*before, *between, *after)])
    for notice in notices:
        told = {"verdict": NOTICE, "explanation": notice}
        writer.writerow([cell(told.get(head)) for head in (*before, *between, *after)])
    for row in rows:
        headline = row["metric"] or {}
        found = jobs.get(row["run_id"], {})
        cells = [
            *(row[name] for name in _FIRST),
            called.get(headline.get("path", "")), headline.get("threshold"),
            *(row["metrics"].get(path) for path in metrics),
            *(row["rows"].get(name) for name in counts),
            *(row[name] for name in _LAST),
            *(found.get(step, {}).get(what) for step in steps for what in ("seconds", "cost")),
        ]  # fmt: skip
        writer.writerow([cell(value) for value in cells])
    return file.getvalue()


def _keys(mappings: Iterable[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(key for mapping in mappings for key in mapping))
