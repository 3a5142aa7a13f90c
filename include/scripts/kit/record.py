"""How a run's data came about: preprocessing records it, and evaluation reports it."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from kit.failure import BadInputError
from kit.splits import METHOD, Shares

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping
    from pathlib import Path

    import pandas as pd

    from kit.snapshot import Snapshot

NAME = "preprocessing.json"


def shares_of(options: argparse.Namespace) -> Shares:
    """Return the shares of the splits that a command line asks for.

    Raises:
        BadInputError: They are no shares of one whole.
    """
    return Shares(options.train_share, options.validation_share, options.test_share)


def describe(
    snapshot: Snapshot, splits: Mapping[str, pd.DataFrame], options: argparse.Namespace
) -> dict[str, Any]:
    """Give the record: the split, rows, nulls, the snapshot's files, and warnings, if any.

    Args:
        snapshot: What was read.
        splits: What was made of it.
        options: Of the command line.
    """
    read = len(snapshot.rows)
    sizes = {name: len(split) for name, split in splits.items()}
    return {
        "seed": options.seed,
        "split": {"method": METHOD, "seed": options.seed, "shares": asdict(shares_of(options))},
        "rows": {"read": read, "dropped": read - sum(sizes.values()), **sizes},
        "nulls": {name: int(snapshot.rows[name].isna().sum()) for name in snapshot.rows},
        "files": snapshot.files,
        "fingerprint": snapshot.fingerprint(),
        **({"warnings": snapshot.warnings} if snapshot.warnings else {}),
    }


def read_record(folder: Path) -> dict[str, Any]:
    """Read the record of a folder.

    Raises:
        BadInputError: It is not there, or is no JSON object.
    """
    path = folder / NAME
    if not path.is_file():
        raise BadInputError(f"{path}: there is no such file; preprocess.py writes it")
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BadInputError(f"{path}: it is not JSON: {error}") from error
    if not isinstance(record, dict):
        raise BadInputError(f"{path}: it is no JSON object; preprocess.py writes one")
    return record


def origin(record: Mapping[str, Any], *own: str, tested: int) -> dict[str, Any]:
    """Give what a report tells of where its rows come from.

    Args:
        record: As ``describe`` gave it.
        own: Further members of the record that the report repeats.
        tested: How many rows were scored.
    """
    rows = record["rows"]
    return {
        "rows": {
            "snapshot": rows["read"],
            "train": rows["train"],
            "validation": rows["validation"],
            "test": tested,
        },
        **{name: record[name] for name in own},
        "split_seed": record["seed"],
        "snapshot_fingerprint": record["fingerprint"],
        **({"warnings": record["warnings"]} if record.get("warnings") else {}),
    }
