from __future__ import annotations

import gzip
import itertools
import json
from collections import Counter
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from local_stack.samples.faults import FAULTS, Change
from local_stack.samples.nights import (
    History,
    HistoryError,
    make_history,
    real_table,
    sample_csv,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from local_stack.samples.nights import Night

LAST = date(2026, 11, 20)
ROWS = 20_640
FAULT_NAMES = [fault.name for fault in FAULTS]


@pytest.fixture(scope="module")
def table() -> bytes:
    return real_table(sample_csv())


@pytest.fixture(scope="module")
def history(table: bytes) -> History:
    return make_history(table, 30, last=LAST)


def rows(content: bytes) -> list[bytes]:
    return content.splitlines()[1:]


def due(history: History, night: Night) -> Mapping[str, bytes]:
    """What should lie there: the good last night's files up to this date."""
    files = history.nights[-1].files
    return {name: files[name] for name in files if name <= f"districts-{night.date}.csv"}


def night_with(history: History, fault: str) -> Night:
    (night,) = [night for night in history.nights if night.fault and night.fault.name == fault]
    return night


def test_the_same_table_gives_the_same_bytes(table: bytes, history: History) -> None:
    again = make_history(table, 30, last=LAST)
    assert again.nights == history.nights
    assert again.manifest() == history.manifest()


def test_another_seed_gives_another_order_and_other_bad_nights(
    table: bytes, history: History
) -> None:
    other = make_history(table, 30, last=LAST, seed=history.seed + 1)
    assert other.nights[0].files != history.nights[0].files
    assert [night.fault for night in other.nights] != [night.fault for night in history.nights]


def test_another_end_moves_the_dates_alone(table: bytes, history: History) -> None:
    later = make_history(table, 30, last=LAST + timedelta(days=1))
    for night, other in zip(history.nights, later.nights, strict=True):
        assert list(other.files.values()) == list(night.files.values())
        assert date.fromisoformat(other.date) - date.fromisoformat(night.date) == timedelta(1)


def test_the_dates_have_no_gap(history: History) -> None:
    days = [(LAST - timedelta(days=29 - number)).isoformat() for number in range(30)]
    assert [night.date for night in history.nights] == days


def test_the_last_night_is_the_real_table_in_another_order(table: bytes, history: History) -> None:
    last = history.nights[-1]
    found = [row for content in last.files.values() for row in rows(content)]
    assert found != rows(table)
    assert Counter(found) == Counter(rows(table))
    assert {content.splitlines()[0] for content in last.files.values()} == {table.splitlines()[0]}
    assert (last.rows, last.rows_due, last.fault, last.expected) == (ROWS, ROWS, None, "pass")


def test_it_grows_evenly_from_60_percent(history: History) -> None:
    assert history.nights[0].rows == 12_384
    steps = [b.rows_due - a.rows_due for a, b in itertools.pairwise(history.nights)]
    assert set(steps) == {284, 285}
    for night in history.nights:
        assert sum(len(rows(file)) for file in due(history, night).values()) == night.rows_due


def test_a_good_night_keeps_the_files_before_it_and_adds_one(history: History) -> None:
    good = [night for night in history.nights if night.fault is None]
    assert len(good) == 18
    for night in good:
        assert night.files == due(history, night)
        assert len(night.files) == history.nights.index(night) + 1
        assert (night.changes, night.expected, night.is_complete) == ((), "pass", True)


def test_thirty_nights_have_each_fault_once(history: History) -> None:
    found = [night.fault.name for night in history.nights if night.fault]
    assert sorted(found) == sorted(FAULT_NAMES)


@pytest.mark.parametrize("fault", FAULT_NAMES)
def test_a_bad_night_differs_as_its_changes_say_and_nowhere_else(
    history: History, fault: str
) -> None:
    night = night_with(history, fault)
    good = due(history, night)
    changes = {change.file: change for change in night.changes}
    assert len(changes) == len(night.changes) > 0
    assert set(night.files) <= set(good)
    for name, content in good.items():
        if name not in changes:
            assert night.files[name] == content
        else:
            check_change(changes[name], content, night.files.get(name))


def check_change(change: Change, good: bytes, found: bytes | None) -> None:
    if change.action == "missing":
        # What is torn is no row of the table.
        real = set(rows(good))
        left = [row for row in rows(found or b"") if row in real]
        assert change.rows == len(rows(good)) - len(left)
        order = iter(rows(good))
        assert all(row in order for row in left)
        return
    assert found is not None
    if change.action == "repeated":
        assert change.rows == len(rows(good))
        assert Counter(rows(found)) == Counter(rows(good) * 2)
    elif change.action == "renamed":
        assert change.rows == len(rows(good))
        assert rows(found) == rows(good)
        renamed = [
            old for old, new in zip(cells(good)[0], cells(found)[0], strict=True) if old != new
        ]
        assert renamed == [change.column]
    elif change.action == "converted":
        column = cells(good)[0].index(change.column)
        factor = 10 if change.column == "MedHouseVal" else 10_000
        differing = 0
        for old, new in zip(cells(good), cells(found), strict=True):
            if old != new:
                differing += 1
                assert Decimal(new[column]) == factor * Decimal(old[column])
                assert old[:column] + old[column + 1 :] == new[:column] + new[column + 1 :]
        assert differing == change.rows
    else:
        assert change.action == "unreadable"
        assert change.rows == len(rows(good))
        is_gzip = found.startswith(b"\x1f\x8b")
        assert (gzip.decompress(found) if is_gzip else found.decode("utf-16").encode()) == good


def cells(content: bytes) -> list[list[str]]:
    return [line.split(",") for line in content.decode().splitlines()]


@pytest.mark.parametrize(
    ("fault", "touched", "lying", "is_complete"),
    [
        ("column_renamed", 1, 18_647, True),
        ("value_unit_mixed", 14, 16_084, True),
        ("half_missing", 5, 6_762, True),
        ("night_missing", 24, 0, False),
        ("cut_off", 1, 19_643, True),
        ("value_unit_everywhere", 11, 15_230, True),
        ("unfinished", 1, 20_070, False),
        ("income_in_dollars", 1, 12_953, True),
        ("rows_twice", 22, 36_724, True),
        ("not_utf8", 1, 12_953, True),
        ("few_rows", 26, 500, True),
        ("compressed", 1, 17_508, True),
    ],
)
def test_a_fault_reaches_as_far_as_its_story_says(
    history: History, fault: str, touched: int, lying: int, is_complete: bool
) -> None:
    night = night_with(history, fault)
    assert (len(night.changes), night.rows, night.is_complete) == (touched, lying, is_complete)
    if touched == 1:
        # The newest one.
        assert night.changes[0].file == f"districts-{night.date}.csv"


def test_a_tenth_of_the_rows_has_the_other_unit(history: History) -> None:
    night = night_with(history, "value_unit_mixed")
    assert sum(change.rows for change in night.changes) == -(-night.rows // 10)


def test_the_cut_is_in_the_middle_of_a_line(history: History) -> None:
    newest = max(night_with(history, "cut_off").files.items())[1]
    assert not newest.endswith(b"\n")
    torn = newest.splitlines()[-1]
    assert torn.count(b",") == 3
    assert not torn.endswith(b",")


@pytest.mark.parametrize("days", range(1, 13))
def test_few_nights_are_sensible_too(table: bytes, days: int) -> None:
    nights = make_history(table, days, last=LAST).nights
    bad = [night.fault.name for night in nights if night.fault]
    assert sorted(bad) == sorted(FAULT_NAMES[: days * 2 // 5])
    assert nights[0].fault is None
    assert nights[-1].fault is None
    assert nights[-1].rows == ROWS


def test_a_year_takes_faults_again(table: bytes) -> None:
    nights = make_history(table, 366, last=LAST).nights
    counts = Counter(night.fault.name for night in nights if night.fault)
    assert sum(counts.values()) == 366 * 2 // 5
    assert set(counts) == set(FAULT_NAMES)
    assert nights[-1].fault is None
    assert all(night.rows == night.rows_due for night in nights if night.fault is None)


def test_the_manifest_tells_each_night(history: History) -> None:
    told = json.loads(history.manifest())
    assert (told["days"], told["first"], told["last"]) == (30, "2026-10-22", "2026-11-20")
    assert told["expected_with"] == {"features": "engineered", "r2_threshold": 0.6}
    assert len(told["nights"]) == 30
    renamed = next(night for night in told["nights"] if night["fault"] == "column_renamed")
    assert renamed == {
        "date": "2026-11-13",
        "fault": "column_renamed",
        "story": "The newest file calls MedInc median_income.",
        "complete": True,
        "files": 23,
        "rows": 18_647,
        "rows_due": 18_647,
        "expected": "failed: districts-2026-11-13.csv: line 1, the header, lacks column MedInc",
        "changes": [
            {
                "file": "districts-2026-11-13.csv",
                "action": "renamed",
                "column": "MedInc",
                "rows": 285,
            }
        ],
    }


@pytest.mark.parametrize("days", [0, -1, 367])
def test_so_many_nights_are_refused(table: bytes, days: int) -> None:
    with pytest.raises(HistoryError, match=f"{days} nights were asked for; 1 to 366 can be made"):
        make_history(table, days, last=LAST)


def test_a_table_too_short_to_grow_is_refused() -> None:
    with pytest.raises(HistoryError, match="5 rows are too few to grow over 30 nights"):
        make_history(b"a,b\n" + b"1,2\n" * 5, 30, last=LAST)


def test_nights_before_the_calendar_are_refused(table: bytes) -> None:
    with pytest.raises(HistoryError, match="before the calendar"):
        make_history(table, 30, last=date(1, 1, 29))


def test_another_table_is_refused(tmp_path: Path, table: bytes) -> None:
    with pytest.raises(HistoryError, match=r"no\.csv cannot be read: No such file .*make setup"):
        real_table(tmp_path / "no.csv")
    (tmp_path / "half.csv").write_bytes(b"\n".join(table.splitlines()[:100]) + b"\n")
    with pytest.raises(HistoryError, match=r"half\.csv is not the real table: it has 99 rows"):
        real_table(tmp_path / "half.csv")
