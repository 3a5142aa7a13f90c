"""The preprocessing job: a snapshot in, three splits and what was fitted on one of them out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import joblib

from kit.data_report import place
from kit.job import ArgumentParser, stopwatch
from kit.outputs import published, write_json
from kit.record import NAME, shares_of
from kit.snapshot import Snapshot, read_snapshot
from kit.splits import split_table

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping

    import pandas as pd

    from kit.table import Table


def preprocessing_arguments(
    description: str | None, *, shares: tuple[float, float, float] = (0.8, 0.0, 0.2)
) -> ArgumentParser:
    """Make the command line's parser; the defaults are SageMaker's places.

    Args:
        description: For ``--help``.
        shares: Of the rows: train, validation, test.
    """
    parser = ArgumentParser(description)
    base = Path("/opt/ml/processing")
    parser.add_argument("--snapshot", type=Path, default=base / "input/snapshot", metavar="DIR")
    parser.add_argument("--output", type=Path, default=base / "output", metavar="DIR")
    for name, share in zip(("train", "validation", "test"), shares, strict=True):
        parser.add_argument(f"--{name}-share", type=float, default=share)
    parser.add_number("--seed", 42, low=0, high=2**32 - 1, about="of the split")
    parser.add_number("--minimum-rows", 1_000, low=0, about="with a target")
    parser.add_number("--maximum-null-share", 0.1, low=0, high=1, about="in any column")
    return parser


def read_and_split(
    options: argparse.Namespace,
    table: Table,
    *,
    clean: Callable[[pd.DataFrame], pd.DataFrame] | None = None,
) -> tuple[Snapshot, dict[str, pd.DataFrame]]:
    """Read the snapshot, check it and split it, as the command line says.

    Args:
        options: Of the command line.
        table: What the snapshot must hold.
        clean: Makes of all rows those that are split; None splits all.

    Raises:
        BadInputError: The snapshot cannot be used, or the shares cannot.
    """
    shares = shares_of(options)
    say = stopwatch()
    snapshot = read_snapshot(
        options.snapshot,
        table,
        minimum_rows=options.minimum_rows,
        maximum_null_share=options.maximum_null_share,
    )
    names = ", ".join(str(file["name"]) for file in snapshot.files)
    say(f"read {len(snapshot.rows)} rows of {names}")
    for warning in snapshot.warnings:
        print(f"warning: {warning}", flush=True)
    rows = clean(snapshot.rows) if clean else snapshot.rows
    splits = split_table(rows, shares, table=table, seed=options.seed)
    for name, split in splits.items():
        print(f"{name}: {len(split)} rows (seed {options.seed})", flush=True)
    return snapshot, splits


def write_preprocessed(
    output: Path,
    splits: Mapping[str, pd.DataFrame],
    *,
    record: Mapping[str, Any],
    data: Mapping[str, Any] | None = None,
    preprocessor: object = None,
    header: bool = True,
) -> None:
    """Write all that preprocessing leaves, or nothing.

    That is ``<split>/<split>.csv`` for each split, ``preprocessor/preprocessing.json``, if
    something was fitted ``preprocessor/preprocessor.joblib``, and with a report on the data
    ``data/data_report.json``.
    """
    with published(output) as folder:
        for name, split in splits.items():
            (folder / name).mkdir()
            split.to_csv(
                folder / name / f"{name}.csv", index=False, header=header, lineterminator="\n"
            )
        write_json(folder / "preprocessor" / NAME, record)
        if data is not None:
            write_json(place(folder), data)
        if preprocessor is not None:
            joblib.dump(preprocessor, folder / "preprocessor" / "preprocessor.joblib")
