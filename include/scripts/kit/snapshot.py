"""One day's snapshot: a folder of CSV files that make up one table."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd
from failure import BadInputError
from table import COLUMNS, TARGET, read_file

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One day's table.

    Attributes:
        table: ``COLUMNS`` as float64, nulls included; the rows of all files in the order of the
            files' names and lines.
        files: Name, rows and SHA-256 of each file, in that order.
    """

    table: pd.DataFrame
    files: list[dict[str, object]]

    def fingerprint(self) -> str:
        """Give the SHA-256 of the files' SHA-256s, one a line."""
        digests = "\n".join(str(file["sha256"]) for file in self.files)
        return hashlib.sha256(digests.encode()).hexdigest()


def read_snapshot(folder: Path, *, minimum_rows: int, maximum_null_share: float) -> Snapshot:
    """Read and check all CSV files of ``folder``; other files and folders are passed over.

    Args:
        folder: Where the snapshot landed.
        minimum_rows: So many rows must have a target, in all files together.
        maximum_null_share: So much of any column may be null, in all files together; 0 to 1.

    Raises:
        BadInputError: The snapshot is unusable; the message has a line for each reason found.
    """
    paths = _csv_files(folder)
    tables, problems = [], []
    for path in paths:
        table, found = read_file(path)
        if not found and table.empty:
            found = [f"{path.name}: it has a header and no row"]
        tables.append(table)
        problems += found
    if not problems:
        table = pd.concat(tables, keys=[path.name for path in paths])
        problems = _problems(table, minimum_rows, maximum_null_share=maximum_null_share)
    if problems:
        raise BadInputError("\n".join(problems))
    files = [
        {
            "name": path.name,
            "rows": len(part),
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        }
        for path, part in zip(paths, tables, strict=True)
    ]
    return Snapshot(table.reset_index(drop=True), files)


def _csv_files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise BadInputError(f"{folder}: there is no such folder; has the snapshot landed?")
    paths = sorted(path for path in folder.iterdir() if path.is_file())
    tables = [path for path in paths if path.suffix.lower() == ".csv"]
    if not tables:
        held = f"holds only {', '.join(path.name for path in paths[:5])}" if paths else "is empty"
        raise BadInputError(f"{folder}: the snapshot's folder {held}; it needs a .csv file")
    return tables


def _problems(table: pd.DataFrame, minimum_rows: int, *, maximum_null_share: float) -> list[str]:
    problems = []
    for name in COLUMNS:
        null = table[name].isna().to_numpy()
        if null.mean() > maximum_null_share:
            problems.append(
                f"{_place(table, null)}, column {name}: the first of {null.sum()} nulls in "
                f"{len(null)} rows; at most a share of {maximum_null_share} is allowed"
            )
    usable = table[TARGET].notna().to_numpy()
    if usable.sum() < minimum_rows:
        files = ", ".join(dict.fromkeys(table.index.get_level_values(0)))
        problems.append(
            f"{files}: {usable.sum()} rows have a {TARGET}; at least {minimum_rows} are needed"
        )
    targets = table[TARGET][usable]
    if len(targets) > 1 and targets.nunique() == 1:
        problems.append(
            f"{_place(table, usable)}, column {TARGET}: {targets.iloc[0]}, as are all "
            f"{len(targets)} values; a constant target teaches nothing"
        )
    return problems


def _place(table: pd.DataFrame, chosen: np.ndarray) -> str:
    file, line = table.index[int(chosen.argmax())]
    return f"{file}: line {line}"
