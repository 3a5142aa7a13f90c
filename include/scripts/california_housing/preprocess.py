"""Validate a snapshot, split it, fit the feature set on the train split, write it all out.

The splits are raw rows with a header: what is fitted travels in ``preprocessor.joblib``.
"""

from __future__ import annotations

import math
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import joblib
import numpy as np
from failure import MESSAGE, ArgumentParser, BadInputError, message_path, reported_to
from features import FEATURE_SETS, fit_preprocessor
from outputs import published, write_json
from snapshot import Snapshot, read_snapshot
from table import FEATURES, TARGET

if TYPE_CHECKING:
    import argparse

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


def split_rows(rows: int, shares: Shares, seed: int) -> dict[str, np.ndarray]:
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


def split_table(table: pd.DataFrame, shares: Shares, seed: int) -> dict[str, pd.DataFrame]:
    """Split a table, then drop the rows without a target, so that these move no other row.

    Raises:
        BadInputError: Nothing is left to train or to test on.
    """
    splits = {
        name: table.iloc[numbers].dropna(subset=[TARGET])
        for name, numbers in split_rows(len(table), shares, seed).items()
    }
    for name in ("train", "test"):
        if len(splits[name]) < 2:
            raise BadInputError(
                f"the {name} split has {len(splits[name])} of {len(table)} rows; it needs two or "
                "more: give it a larger share, or the snapshot more rows"
            )
    return splits


def write_outputs(
    output: Path, snapshot: Snapshot, splits: dict[str, pd.DataFrame], options: argparse.Namespace
) -> None:
    """Fit the feature set on the train split and write everything below ``output``."""
    preprocessor = fit_preprocessor(options.features, splits["train"][FEATURES])
    read = len(snapshot.table)
    sizes = {name: len(split) for name, split in splits.items()}
    record = {
        "features": options.features,
        "seed": options.seed,
        "rows": {"read": read, "dropped": read - sum(sizes.values()), **sizes},
        "nulls": {name: int(snapshot.table[name].isna().sum()) for name in snapshot.table},
        "files": snapshot.files,
        "fingerprint": snapshot.fingerprint(),
    }
    with published(output) as folder:
        for name, split in splits.items():
            (folder / name).mkdir()
            split.to_csv(folder / name / f"{name}.csv", index=False, lineterminator="\n")
        write_json(folder / "preprocessor" / "preprocessing.json", record)
        joblib.dump(preprocessor, folder / "preprocessor" / "preprocessor.joblib")


def parse(arguments: list[str]) -> argparse.Namespace:
    """Parse the command line; the defaults are SageMaker's places and the standard split.

    Raises:
        BadInputError: An argument is unknown, or its value cannot be used.
    """
    parser = ArgumentParser(prog="preprocess.py", description=__doc__, allow_abbrev=False)
    parser.add_argument(
        "--snapshot", type=Path, default=Path("/opt/ml/processing/input/snapshot"), metavar="DIR"
    )
    parser.add_argument(
        "--output", type=Path, default=Path("/opt/ml/processing/output"), metavar="DIR"
    )
    parser.add_argument("--message", type=Path, default=MESSAGE, help="where a failure is told")
    parser.add_argument("--features", choices=FEATURE_SETS, default="engineered")
    parser.add_argument("--train-share", type=float, default=0.8)
    parser.add_argument("--validation-share", type=float, default=0.0)
    parser.add_argument("--test-share", type=float, default=0.2)
    parser.add_argument("--seed", type=int, default=42, help="0 to 4294967295")
    parser.add_argument("--minimum-rows", type=int, default=1_000, help="with a target")
    parser.add_argument("--maximum-null-share", type=float, default=0.1, help="in any column")
    options = parser.parse_args(arguments)
    if not 0 <= options.seed < 2**32:
        parser.error(f"--seed is {options.seed}, not one of 0 to 4294967295")
    if not 0 <= options.maximum_null_share <= 1:
        parser.error(f"--maximum-null-share is {options.maximum_null_share}, not one of 0 to 1")
    return options


def main() -> None:
    """Run the job; exit with 1 and a message where the snapshot cannot be used."""
    with reported_to(message_path(sys.argv[1:])):
        options = parse(sys.argv[1:])
        shares = Shares(options.train_share, options.validation_share, options.test_share)
        start = time.perf_counter()
        snapshot = read_snapshot(
            options.snapshot,
            minimum_rows=options.minimum_rows,
            maximum_null_share=options.maximum_null_share,
        )
        names = ", ".join(str(file["name"]) for file in snapshot.files)
        seconds = time.perf_counter() - start
        print(f"read {len(snapshot.table)} rows of {names} in {seconds:.2f} s", flush=True)
        splits = split_table(snapshot.table, shares, options.seed)
        for name, split in splits.items():
            print(f"{name}: {len(split)} rows (seed {options.seed})", flush=True)
        start = time.perf_counter()
        write_outputs(options.output, snapshot, splits, options)
        seconds = time.perf_counter() - start
        print(
            f"fitted the {options.features} features and wrote all in {seconds:.2f} s", flush=True
        )


if __name__ == "__main__":
    main()
