"""What a stand-in step is told to do, by the run's snapshot.

Each CSV file of the snapshot has lines ``step,order,argument``; every step hands the lines on to
the next one in place of data.
"""

from __future__ import annotations

import csv
import os
import sys
import time
from pathlib import Path

NAME = "orders.csv"
_POLL_S = 0.05


def read(folder: Path) -> list[list[str]]:
    """Read all lines of the CSV files below a folder."""
    rows = []
    for path in sorted(folder.rglob("*.csv")):
        with path.open(newline="") as file:
            rows += list(csv.reader(file))
    return rows


def hand_on(rows: list[list[str]], folder: Path) -> None:
    """Write the lines for the next step."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / NAME).open("w", newline="") as file:
        csv.writer(file).writerows(rows)


def obey(rows: list[list[str]], step: str, *, reason: Path) -> None:
    """Do what a step is told: wait for a gate, or fail.

    Args:
        rows: The lines of the snapshot.
        step: The step that this is.
        reason: The file that SageMaker reads the reason of a failure from.
    """
    print(f"{step} begins", flush=True)
    for order, argument in (row[1:] for row in rows if row[0] == step):
        if order == "hold":
            while not Path(argument).exists():
                time.sleep(_POLL_S)
        elif order == "fail":
            _fail(argument, reason)
        elif order == "fail-once" and _is_first(Path(argument)):
            _fail(f"{Path(argument).name} for the first time", reason)
    print(f"{step} ends", flush=True)


def argument_of(rows: list[list[str]], step: str, *, order: str) -> str | None:
    """Return the argument of an order, if there is one."""
    return next((row[2] for row in rows if row[:2] == [step, order]), None)


def _is_first(marker: Path) -> bool:
    try:
        os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def _fail(words: str, reason: Path) -> None:
    reason.parent.mkdir(parents=True, exist_ok=True)
    reason.write_text(words)
    sys.exit(f"it fails: {words}")
