"""What in a snapshot should make one think, though it can be used: nobody is stopped, but told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from kit.table import Table


def doubts(rows: pd.DataFrame, table: Table, *, files: Sequence[Mapping[str, Any]]) -> list[str]:
    """Give a sentence for each: a file twice, repeated rows, constant features, the target itself.

    Args:
        rows: The snapshot's, file by file, with a file's name and line as index.
        table: What they are.
        files: Name and SHA-256 of each file.
    """
    return [
        *_same_files(files),
        *_repeated_rows(rows),
        *_constant_features(rows, table),
        *_targets(rows, table),
    ]


def _same_files(files: Sequence[Mapping[str, Any]]) -> list[str]:
    first: dict[object, object] = {}
    told = []
    for file in files:
        earlier = first.setdefault(file["sha256"], file["name"])
        if earlier != file["name"]:
            told.append(f"{file['name']} is the same file as {earlier}, byte for byte")
    return told


def _repeated_rows(rows: pd.DataFrame) -> list[str]:
    repeated = rows.duplicated().to_numpy()
    if not repeated.any():
        return []
    file, line = rows.index[int(repeated.argmax())]
    return [
        (
            f"{repeated.sum()} of {len(rows)} rows repeat an earlier one; the first is {file}: "
            f"line {line}. Equal rows go to one split"
        )
    ]


def _constant_features(rows: pd.DataFrame, table: Table) -> list[str]:
    told = []
    for name in table.features:
        cells = rows[name].dropna()
        if len(cells) > 1 and (cells == cells.iloc[0]).all():
            told.append(
                f"column {name} is {cells.iloc[0]} in all {len(cells)} rows that have it; a "
                "constant feature teaches nothing"
            )
    return told


def _targets(rows: pd.DataFrame, table: Table) -> list[str]:
    told = []
    for name in table.features:
        both = rows[[name, table.target]].dropna()
        if len(both) > 1 and (both[name] == both[table.target]).all():
            told.append(
                f"column {name} equals the target, {table.target}, in all {len(both)} rows that "
                "have both; an endpoint will not be told the target"
            )
    return told
