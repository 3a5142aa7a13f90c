"""The test split's cells, as texts: an endpoint is sent the digits that the file has."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

import numpy as np

from kit.failure import BadInputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# Python's own limit is 128 KB, which a text may exceed.
csv.field_size_limit(2**31 - 1)


def read_columns(
    path: Path, texts: Sequence[str], *, numbers: Sequence[str] = ()
) -> dict[str, Any]:
    """Read columns of a CSV file with a header.

    Args:
        path: The file.
        texts: Columns whose cells are wanted as they are.
        numbers: Columns whose cells are wanted as numbers.

    Returns:
        By column, a list of texts or a float64 array, NaN and infinities included.

    Raises:
        BadInputError: There is no such file, a column is missing, a row has more or fewer fields
            than the header, or a cell is no number.
    """
    if not path.is_file():
        raise BadInputError(f"{path}: there is no such file; is the test input's prefix right?")
    columns: dict[str, Any] = {name: [] for name in (*texts, *numbers)}
    with path.open(newline="", encoding="utf-8") as lines:
        rows = csv.DictReader(lines)
        missing = [name for name in columns if name not in (rows.fieldnames or ())]
        if missing:
            raise BadInputError(f"{path.name}: line 1, the header, lacks {', '.join(missing)}")
        for row in rows:
            if None in row or None in row.values():
                raise BadInputError(
                    f"{path.name}: line {rows.line_num} has more or fewer fields than the header"
                )
            for name in texts:
                columns[name].append(row[name])
            for name in numbers:
                try:
                    columns[name].append(float(row[name]))
                except ValueError:
                    raise BadInputError(
                        f"{path.name}: line {rows.line_num}, column {name}: {row[name]!r} is no "
                        "number"
                    ) from None
    return columns | {name: np.array(columns[name], dtype=np.float64) for name in numbers}
