"""One day's snapshot: a folder of CSV files that make up one table."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pandas as pd

from kit.csv_table import read_file
from kit.doubts import doubts
from kit.failure import BadInputError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from kit.table import Table


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One day's rows.

    Attributes:
        rows: The table's columns, float64 or texts, nulls included; the rows of all files in the
            order of the files' names and lines.
        files: Name, rows and SHA-256 of each file, in that order.
        warnings: A sentence for each thing that should make one think.
    """

    rows: pd.DataFrame
    files: list[dict[str, object]]
    warnings: list[str] = field(default_factory=list)

    def fingerprint(self) -> str:
        """Give the SHA-256 of the files' SHA-256s, one a line."""
        digests = "\n".join(str(file["sha256"]) for file in self.files)
        return hashlib.sha256(digests.encode()).hexdigest()


def read_snapshot(
    folder: Path, table: Table, *, minimum_rows: int, maximum_null_share: float
) -> Snapshot:
    """Read and check all CSV files of ``folder``; other files and folders are passed over.

    Args:
        folder: Where the snapshot landed.
        table: What the files must hold.
        minimum_rows: So many rows must have a target, in all files together.
        maximum_null_share: So much of any column may be null, in all files together; 0 to 1.

    Raises:
        BadInputError: The snapshot is unusable; the message has a line for each reason found.
    """
    paths = _csv_files(folder)
    parts, problems = [], []
    for path in paths:
        part, found = read_file(path, table)
        if not found and part.empty:
            found = [f"{path.name}: it has a header and no row"]
        parts.append(part)
        problems += found
    if not problems:
        rows = pd.concat(parts, keys=[path.name for path in paths])
        problems = _problems(rows, table, minimum_rows=minimum_rows, null_share=maximum_null_share)
    if problems:
        raise BadInputError("\n".join(problems))
    files = [
        {
            "name": path.name,
            "rows": len(part),
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        }
        for path, part in zip(paths, parts, strict=True)
    ]
    warnings = doubts(rows, table, files=files)
    return Snapshot(rows.reset_index(drop=True), files, warnings)


def _csv_files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise BadInputError(f"{folder}: there is no such folder; has the snapshot landed?")
    paths = sorted(path for path in folder.iterdir() if path.is_file())
    tables = [path for path in paths if path.suffix.lower() == ".csv"]
    if not tables:
        held = f"holds only {', '.join(path.name for path in paths[:5])}" if paths else "is empty"
        raise BadInputError(f"{folder}: the snapshot's folder {held}; it needs a .csv file")
    return tables


def _problems(
    rows: pd.DataFrame, table: Table, *, minimum_rows: int, null_share: float
) -> list[str]:
    problems = []
    for name in table.names:
        null = rows[name].isna().to_numpy()
        if null.mean() > null_share:
            problems.append(
                f"{_place(rows, null)}, column {name}: the first of {null.sum()} nulls in "
                f"{len(null)} rows; at most a share of {null_share} is allowed"
            )
    usable = rows[table.target].notna().to_numpy()
    if usable.sum() < minimum_rows:
        files = ", ".join(dict.fromkeys(rows.index.get_level_values(0)))
        problems.append(
            f"{files}: {usable.sum()} rows have a {table.target}; at least {minimum_rows} are "
            "needed"
        )
    targets = rows[table.target][usable]
    if len(targets) > 1 and targets.nunique() == 1:
        problems.append(
            f"{_place(rows, usable)}, column {table.target}: {targets.iloc[0]}, as are all "
            f"{len(targets)} values; a constant target teaches nothing"
        )
    return problems


def _place(rows: pd.DataFrame, chosen: np.ndarray) -> str:
    file, line = rows.index[int(chosen.argmax())]
    return f"{file}: line {line}"
