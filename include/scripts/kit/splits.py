"""Which row is trained on, which validates and which is held out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kit.doubts import first_of_its_kind
from kit.failure import BadInputError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Shares:
    """Which part of the rows each split gets; they add up to one."""

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


def split_rows(rows: int, shares: Shares, *, seed: int) -> dict[str, np.ndarray]:
    """Assign row numbers to the splits by ``rows`` and ``seed`` alone.

    Without a validation share the test rows are those of scikit-learn's ``train_test_split``.

    Returns:
        Ascending row numbers of ``train``, ``validation`` and ``test``.
    """
    shuffled = np.random.RandomState(seed).permutation(rows)
    test = math.ceil(shares.test * rows)
    validation = test + math.ceil(shares.validation * rows)
    parts = {
        "train": shuffled[validation:],
        "validation": shuffled[test:validation],
        "test": shuffled[:test],
    }
    return {name: np.sort(part) for name, part in parts.items()}


def split_table(
    rows: pd.DataFrame, shares: Shares, *, target: str, seed: int
) -> dict[str, pd.DataFrame]:
    """Split a table, then drop the rows without a target, so that these move no other row.

    A row that repeats an earlier one goes where that went: none is trained on and tested with.

    Raises:
        BadInputError: Nothing is left to train or to test on, or to validate with where a share
            of the rows should.
    """
    first = first_of_its_kind(rows)
    splits = {
        name: rows.iloc[np.flatnonzero(np.isin(first, numbers))].dropna(subset=[target])
        for name, numbers in split_rows(len(rows), shares, seed=seed).items()
    }
    for name, split in splits.items():
        if len(split) < 2 and (name != "validation" or shares.validation):
            raise BadInputError(
                f"the {name} split has {len(split)} of {len(rows)} rows; it needs two or "
                "more: give it a larger share, or the snapshot more rows"
            )
    return splits
