"""Nights of raw data made from the real table: as it would have grown, with some nights bad.

All of it follows from the table, the number of nights, the last date and the seed.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from itertools import cycle
from typing import TYPE_CHECKING, TypeVar

from local_stack.errors import LocalStackError
from local_stack.samples import housing_table
from local_stack.samples.faults import FAULTS, PASS, Change, Fault, Spoiled, as_file, rows_in
from local_stack.samples.packaged_table import SampleDataError
from local_stack.samples.pipelines import CALIFORNIA_HOUSING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

T = TypeVar("T")

SEED = 1990
FIRST_SHARE = 0.6
MOST_DAYS = 366


class HistoryError(LocalStackError):
    """There can be no such history, or the table for it is not the real one."""


@dataclass(frozen=True, slots=True)
class Night:
    """One night's snapshot.

    Attributes:
        date: YYYY-MM-DD.
        files: What lies in its folder, by name.
        is_complete: Whether the marker lies there too.
        fault: What is wrong with it, or None.
        changes: Where its files differ from what they should be.
        rows_due: So many rows the table had that night.
        expected: ``pass``, ``stopped`` by its data, ``no snapshot``, or ``failed:`` and
            how the job's message begins; at r2 ≥ 0.6, with the engineered features.
    """

    date: str
    files: Mapping[str, bytes]
    is_complete: bool
    fault: Fault | None
    changes: tuple[Change, ...]
    rows_due: int
    expected: str

    @property
    def rows(self) -> int:
        """So many rows lie there that a reader would find."""
        return sum(len(rows_in(content)) for content in self.files.values())


@dataclass(frozen=True, slots=True)
class History:
    """The nights, in the order of their dates, without a gap.

    Attributes:
        nights: One for each date.
        seed: Decides the order of the rows and which nights are bad.
        table: SHA-256 of the file from which all rows come.
    """

    nights: tuple[Night, ...]
    seed: int
    table: str

    def manifest(self) -> bytes:
        """Return the JSON that says what is wrong with which night, and what must come of it."""
        content = {
            "days": len(self.nights),
            "first": self.nights[0].date,
            "last": self.nights[-1].date,
            "seed": self.seed,
            "table_sha256": self.table,
            "expected_with": {"features": "engineered", "r2_threshold": 0.6},
            "nights": [
                {
                    "date": night.date,
                    "fault": night.fault.name if night.fault else None,
                    "story": night.fault.story if night.fault else None,
                    "complete": night.is_complete,
                    "files": len(night.files),
                    "rows": night.rows,
                    "rows_due": night.rows_due,
                    "expected": night.expected,
                    "changes": [asdict(change) for change in night.changes],
                }
                for night in self.nights
            ],
        }
        return json.dumps(content, indent=1).encode() + b"\n"


def make_history(table: bytes, days: int, *, last: date, seed: int = SEED) -> History:
    """Make the nights that end with ``last``.

    Night by night the table grows evenly from 60 % to all of its rows. Each night adds one file
    and keeps those before it. Two nights of five are bad, never the first or the last; the
    morning after, the data is as it should be.

    Args:
        table: A CSV file: a header, then the rows.
        days: The number of nights, 1 to 366.
        last: The date of the last one.
        seed: Decides the order of the rows and which nights are bad.

    Raises:
        HistoryError: There cannot be so many nights, or none so early.
    """
    if not 1 <= days <= MOST_DAYS:
        raise HistoryError(f"{days} nights were asked for; 1 to {MOST_DAYS} can be made")
    if last.toordinal() < days:
        raise HistoryError(f"{days} nights before {last} would begin before the calendar does")
    header, *lines = table.splitlines()
    rows = _shuffled(lines, seed)
    bad = _bad_nights(days, seed)
    files: dict[str, bytes] = {}
    nights = []
    grown = 0
    for number in range(days):
        day = (last - timedelta(days=days - 1 - number)).isoformat()
        due = _rows_due(len(rows), number, days=days)
        if due == grown:
            raise HistoryError(f"{len(rows)} rows are too few to grow over {days} nights")
        files[f"districts-{day}.csv"] = as_file(header, rows[grown:due])
        grown = due
        fault = bad.get(number)
        # A copy: the next night adds to the mapping.
        good = dict(files)
        night = fault.spoil(good) if fault else Spoiled(good, (), PASS)
        nights.append(
            Night(
                date=day,
                files=night.files,
                is_complete=night.is_complete,
                fault=fault,
                changes=night.changes,
                rows_due=due,
                expected=night.expected,
            )
        )
    return History(tuple(nights), seed, hashlib.sha256(table).hexdigest())


def sample_csv() -> Path:
    """Return the file of the real table, which ``make setup`` puts there."""
    return CALIFORNIA_HOUSING.table


def real_table(path: Path) -> bytes:
    """Read the real table.

    Raises:
        HistoryError: It is not there, or it is another one.
    """
    try:
        content = path.read_bytes()
        housing_table.check(content)
    except OSError as error:
        raise HistoryError(f"{path} cannot be read: {error.strerror}; run make setup") from error
    except (SampleDataError, UnicodeDecodeError) as error:
        raise HistoryError(f"{path} is not the real table: {error}") from error
    return content


def _rows_due(rows: int, number: int, *, days: int) -> int:
    if days == 1:
        return rows
    first = int(rows * FIRST_SHARE)
    return first + (rows - first) * number // (days - 1)


def _bad_nights(days: int, seed: int) -> dict[int, Fault]:
    chosen = _shuffled(list(range(1, days - 1)), seed)[: days * 2 // 5]
    return dict(zip(chosen, cycle(FAULTS), strict=False))


def _shuffled(items: list[T], seed: int) -> list[T]:
    # By hash, since no release of Python or numpy promises another's random order.
    def place(number: int) -> bytes:
        return hashlib.sha256(f"{seed}:{number}".encode()).digest()

    return [items[number] for number in sorted(range(len(items)), key=place)]
