"""Which row is trained on, which validates and which is held out: the row itself decides.

A row's place follows from its features and the seed alone, and from no other row. So it is the same
in every snapshot: what is tested with tonight was trained on in no earlier night of the same seed
and shares, and equal rows are never on both sides.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kit.failure import BadInputError

if TYPE_CHECKING:
    import pandas as pd

    from kit.table import Column, Table

METHOD = "sha256-of-features"
# As many bits as a float64 keeps: no place is rounded up to 1.
_BITS = 53
_NULL = b"null"


@dataclass(frozen=True, slots=True)
class Shares:
    """Which part of the rows each split gets, about; they add up to one."""

    train: float
    validation: float
    test: float

    def __post_init__(self) -> None:
        """Check the shares.

        Raises:
            BadInputError: They are no shares of one whole, or no row would be trained or tested on.
        """
        if not math.isclose(self.train + self.validation + self.test, 1, abs_tol=1e-9):
            raise BadInputError(
                f"the shares of train ({self.train}), validation ({self.validation}) and test "
                f"({self.test}) must add up to 1"
            )
        if self.train <= 0 or self.test <= 0 or self.validation < 0:
            raise BadInputError(
                f"the shares of train ({self.train}) and test ({self.test}) must be above 0, that "
                f"of validation ({self.validation}) not below"
            )


def places(rows: pd.DataFrame, table: Table, *, seed: int) -> np.ndarray:
    """Give each row a place from 0 to 1, evenly spread and the same wherever the row appears.

    It is a SHA-256 of the seed and of the row's features. The target is no part of it: a row whose
    target is corrected stays where it was, and rows that differ in nothing else stay together. In
    free text, spaces and case do not count.

    Returns:
        float64 of shape (rows,), each at least 0 and below 1.
    """
    features = [column for column in table.columns if column.name != table.target]
    numbers = [column.name for column in features if column.is_number]
    texts = [_spelled(rows[column.name], column) for column in features if not column.is_number]
    # What is added makes 0 of -0, which is the same number.
    cells = rows[numbers].to_numpy("<f8") + 0.0
    cells[np.isnan(cells)] = np.nan
    start = hashlib.sha256(f"{seed};".encode())
    found = np.empty(len(rows), dtype=np.uint64)
    for number, row in enumerate(cells):
        digest = start.copy()
        digest.update(row.tobytes())
        for spelled in texts:
            digest.update(spelled[number])
        found[number] = int.from_bytes(digest.digest()[:8], "big") >> (64 - _BITS)
    return found / 2**_BITS


def split_table(
    rows: pd.DataFrame, shares: Shares, *, table: Table, seed: int
) -> dict[str, pd.DataFrame]:
    """Split a table, and drop the rows without a target.

    Raises:
        BadInputError: Nothing is left to train or to test on, or to validate with where a share
            of the rows should.
    """
    place = places(rows, table, seed=seed)
    validation = shares.test + shares.validation
    parts = {
        "train": place >= validation,
        "validation": (place >= shares.test) & (place < validation),
        "test": place < shares.test,
    }
    splits = {name: rows[part].dropna(subset=[table.target]) for name, part in parts.items()}
    for name, split in splits.items():
        if len(split) < 2 and (name != "validation" or shares.validation):
            raise BadInputError(
                f"the {name} split has {len(split)} of {len(rows)} rows; it needs two or "
                "more: give it a larger share, or the snapshot more rows"
            )
    return splits


def _spelled(cells: pd.Series, column: Column) -> list[bytes]:
    """Spell texts so that no two rows read alike: each says its length."""
    spelled = []
    for text, is_null in zip(cells.tolist(), cells.isna().tolist(), strict=True):
        if is_null:
            spelled.append(_NULL)
            continue
        alike = " ".join(text.split()).casefold() if column.text else text
        content = alike.encode("utf-8", "surrogatepass")
        spelled.append(b"%d:%b" % (len(content), content))
    return spelled
