"""What a snapshot's data look like, in numbers: what a later night's data are compared with.

The same rows make the same bytes, and nothing of another night is in them: who compares two nights
has the reports of both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import PurePath

    import pandas as pd

    from kit.table import Column, Table

SCHEMA = 1
FOLDER, NAME = "data", "data_report.json"
# With fewer different numbers than quantiles a column's numbers are counted one by one.
QUANTILES = 201
MOST_CATEGORIES = 100
# Beyond them a sum depends on the machine that adds up.
_DIGITS = 12


def place(output: PurePath) -> Any:
    """Return where preprocessing writes the report in its folder of outputs."""
    return output / FOLDER / NAME


def data_report(rows: pd.DataFrame, table: Table) -> dict[str, Any]:
    """Describe the rows of a snapshot, as they were read.

    Args:
        rows: The table's columns, float64 or texts, nulls included.
        table: What they are.

    Returns:
        ``rows``; ``duplicates``, the rows that repeat an earlier one, as ``count`` and ``share`` of
        all rows; and ``columns`` by name. Each has its ``kind`` and ``nulls``, as count and share.
        A ``number`` and the length of a ``text`` have what ``_numbers`` gives. A ``category`` has
        the ``count`` of each of its most frequent ``values``, in that order, and of all ``others``
        together.
    """
    return {
        "schema": SCHEMA,
        "rows": len(rows),
        "duplicates": _part(int(rows.duplicated().sum()), len(rows)),
        "columns": {column.name: _described(rows[column.name], column) for column in table.columns},
    }


def _described(cells: pd.Series, column: Column) -> dict[str, Any]:
    nulls = {"nulls": _part(int(cells.isna().sum()), len(cells))}
    there = cells.dropna()
    if column.is_number:
        return {"kind": "number", **nulls, **_numbers(there.to_numpy(dtype=np.float64))}
    if column.text:
        lengths = np.array([len(text) for text in there], dtype=np.float64)
        return {"kind": "text", **nulls, "length": _numbers(lengths)}
    counts = there.value_counts()
    # Of equal counts pandas may give any first.
    told = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:MOST_CATEGORIES]
    return {
        "kind": "category",
        **nulls,
        "values": [{"value": value, "count": int(count)} for value, count in told],
        "others": {
            "values": len(counts) - len(told),
            "count": len(there) - sum(int(count) for _, count in told),
        },
    }


def _numbers(numbers: np.ndarray) -> dict[str, Any]:
    """Describe numbers, of which there may be none.

    Returns:
        ``infinite``, how many are no finite ones and left out of all else; if others are left their
        ``minimum``, ``maximum``, ``mean`` and ``standard_deviation``; and a sketch: ``values`` with
        their ``counts``, all of them, where they are few; else ``quantiles``, numbers of the column
        at even steps from the least to the greatest.
    """
    # -0.0 + 0.0 is 0.0, here and below: equal rows in another order make the same bytes.
    finite = np.sort(numbers[np.isfinite(numbers)]) + 0.0
    infinite = {"infinite": len(numbers) - len(finite)}
    if not len(finite):
        return {**infinite, "values": [], "counts": []}
    values, counts = np.unique(finite, return_counts=True)
    if len(values) < QUANTILES:
        sketch = {"values": values.tolist(), "counts": counts.tolist()}
    else:
        steps = np.rint(np.linspace(0, len(finite) - 1, QUANTILES)).astype(np.int64)
        sketch = {"quantiles": finite[steps].tolist()}
    # Else the square of 1e300 is infinite.
    scale = float(max(abs(finite[0]), abs(finite[-1]))) or 1.0
    return {
        **infinite,
        "minimum": float(finite[0]),
        "maximum": float(finite[-1]),
        "mean": _rounded(float(np.mean(finite / scale)), scale),
        "standard_deviation": _rounded(float(np.std(finite / scale)), scale),
        **sketch,
    }


def _rounded(number: float, scale: float) -> float:
    return float(f"{number:.{_DIGITS}g}") * scale + 0.0


def _part(count: int, whole: int) -> dict[str, Any]:
    return {"count": count, "share": count / whole if whole else 0.0}
