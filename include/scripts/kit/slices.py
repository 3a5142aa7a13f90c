"""Parts of the test rows, by what is in a column: where a model that is better is worse."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from kit.failure import BadInputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Of all columns together; of fewer distinct values than this each is a part.
MOST, FEW = 20, 10
LONGEST_NAME = 60


def slices(
    columns: Mapping[str, Sequence[Any]], wanted: Sequence[str]
) -> list[tuple[str, str, np.ndarray]]:
    """Cut rows by columns: numbers at their quartiles, all else and few numbers by value.

    Args:
        columns: Numbers or texts of each row, by column; empty texts and NaN are missing.
        wanted: The names of those to cut by, in their order.

    Returns:
        Column, name of the part, and whether each row is in it; of 20 at most. Where a column has
        more values than are left of these, the rarest are one part, ``others``.

    Raises:
        BadInputError: There is no such column, or too many are wanted.
    """
    missing = [name for name in wanted if name not in columns]
    if missing:
        raise BadInputError(
            f"--slices: the test rows have no column {', '.join(missing)}; they have"
            f" {', '.join(columns)}"
        )
    if len(wanted) * 2 > MOST:
        raise BadInputError(f"--slices: {len(wanted)} columns; at most {MOST // 2} are cut")
    found: list[tuple[str, str, np.ndarray]] = []
    for left, name in zip(range(len(wanted), 0, -1), wanted, strict=True):
        # Each of those that follow gets as many at least.
        room = (MOST - len(found)) // left
        found += [(name, part, rows) for part, rows in _parts(columns[name], room)]
    return found


def _parts(column: Sequence[Any], room: int) -> list[tuple[str, np.ndarray]]:
    texts = [_text(cell) for cell in column]
    is_missing = np.array([not text for text in texts])
    numbers = _numbers([text for text in texts if text])
    # Quartiles are four parts, and one is of rows that have no value.
    if numbers is None or len(np.unique(numbers)) <= min(FEW, room) or room < 5:
        return _by_value(texts, room)
    edges = np.unique(np.quantile(numbers, (0, 0.25, 0.5, 0.75, 1)))
    # A value at an edge belongs to the part below.
    placed = np.full(len(texts), -1)
    placed[~is_missing] = np.maximum(np.searchsorted(edges, numbers, side="left") - 1, 0)
    parts = [
        (f"{low:.6g} to {high:.6g}", placed == number)
        for number, (low, high) in enumerate(pairwise(edges))
    ]
    parts = [(part, rows) for part, rows in parts if rows.any()]
    return [*parts, *([("missing", is_missing)] if is_missing.any() else [])]


def _by_value(texts: list[str], room: int) -> list[tuple[str, np.ndarray]]:
    counted = sorted(Counter(texts).items(), key=lambda item: (-item[1], item[0]))
    kept = [text for text, _ in counted[: room if len(counted) <= room else room - 1]]
    parts = [(_named(value), np.array([text == value for text in texts])) for value in kept]
    rest = np.array([text not in kept for text in texts])
    return [*parts, *([("others", rest)] if rest.any() else [])]


def _text(cell: Any) -> str:
    text = str(cell).strip()
    return "" if text.lower() == "nan" else text


def _numbers(texts: list[str]) -> np.ndarray | None:
    try:
        numbers = np.array([float(text) for text in texts])
    except ValueError:
        return None
    return numbers if len(numbers) and np.isfinite(numbers).all() else None


def _named(value: str) -> str:
    if not value:
        return "missing"
    return value if len(value) <= LONGEST_NAME else value[: LONGEST_NAME - 1] + "…"
