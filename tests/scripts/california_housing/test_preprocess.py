"""What preprocessing writes from a good snapshot."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING

import pytest

from tests.scripts.jobs import SCRIPTS, files_below, run_cold, write_csv

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.scripts.jobs import Outcome, Run

TARGET = 8


@pytest.fixture
def preprocess(run_warm: Callable[..., Outcome], tmp_path: Path) -> Callable[..., dict[str, bytes]]:
    """Preprocesses tables, given by file name, and returns the written files."""
    count = 0

    def run(tables: dict[str, list[list[str]]], *options: object) -> dict[str, bytes]:
        nonlocal count
        count += 1
        folder = tmp_path / f"run-{count}"
        for name, table in tables.items():
            write_csv(folder / "snapshot" / name, table)
        done = run_warm(
            "preprocess.py",
            *("--snapshot", folder / "snapshot", "--output", folder / "output"),
            *("--message", folder / "message", "--minimum-rows", 10, *options),
        )
        assert done.code == 0, done.stderr
        assert not (folder / "message").exists()
        return files_below(folder / "output")

    return run


def rows_of(files: dict[str, bytes], split: str) -> list[list[str]]:
    return list(csv.reader(files[f"{split}/{split}.csv"].decode().splitlines()))


def record_of(files: dict[str, bytes]) -> dict:
    return json.loads(files["preprocessor/preprocessing.json"])


def with_cell(table: list[list[str]], row: int, column: int, value: str) -> list[list[str]]:
    """A copy of the table; row 1 is the first after the header."""
    copy = [list(line) for line in table]
    copy[row][column] = value
    return copy


def test_real_table_is_split_without_loss(engineered_run: Run) -> None:
    files = files_below(engineered_run.preprocessed)
    assert set(files) == {
        "train/train.csv",
        "validation/validation.csv",
        "test/test.csv",
        "preprocessor/preprocessor.joblib",
        "preprocessor/preprocessing.json",
        "data/data_report.json",
    }
    record = record_of(files)
    assert record["rows"] == {
        "read": 20640,
        "dropped": 0,
        "train": 16541,
        "validation": 0,
        "test": 4099,
    }
    assert (record["features"], record["seed"]) == ("engineered", 42)
    header, *train = rows_of(files, "train")
    assert header == rows_of(files, "validation")[0]
    assert len(rows_of(files, "validation")) == 1
    test = rows_of(files, "test")[1:]
    snapshot = engineered_run.folder / "everything.csv"
    write_csv(snapshot, [header, *train, *test])
    assert len({tuple(row) for row in train + test}) == 20640


def test_validation_share_is_taken_from_train(
    sample: list[list[str]], preprocess: Callable
) -> None:
    without = preprocess({"a.csv": sample})
    files = preprocess(
        {"a.csv": sample}, "--train-share", 0.6, "--validation-share", 0.2, "--test-share", 0.2
    )
    assert files["test/test.csv"] == without["test/test.csv"]
    names = ("train", "validation", "test")
    assert all(len(rows_of(files, name)) > 5 for name in names)
    together = [row for name in names for row in rows_of(files, name)[1:]]
    assert sorted(together) == sorted(rows_of(without, "train")[1:] + rows_of(without, "test")[1:])


def test_a_row_has_its_split_whatever_the_snapshot(
    sample: list[list[str]], preprocess: Callable
) -> None:
    """Other rows, another order, another target and another spelling move none."""
    whole = preprocess({"a.csv": sample})
    later = [[f"{cell}0" if "." in cell else cell for cell in row] for row in sample[:0:-1]]
    for number, row in enumerate(later):
        row[TARGET] = "" if number in {3, 40} else f"{number % 5}.5"
    grown = preprocess({"a.csv": [sample[0], *later, *sample[1:]]})
    fewer = preprocess({"a.csv": sample[:50]})
    assert record_of(grown)["rows"]["dropped"] == 2
    where = {}
    for split in ("train", "test"):
        for row in rows_of(whole, split)[1:]:
            where[tuple(row[:TARGET])] = split
    assert len(where) == 83
    for files, count in ((grown, 164), (fewer, 49)):
        found = [
            (tuple(row[:TARGET]), s) for s in ("train", "test") for row in rows_of(files, s)[1:]
        ]
        assert len(found) == count
        assert all(where[features] == split for features, split in found)


def test_split_follows_its_seed_which_the_record_tells(
    sample: list[list[str]], preprocess: Callable
) -> None:
    first, again, other = (preprocess({"a.csv": sample}, "--seed", seed) for seed in (7, 7, 8))
    assert first["test/test.csv"] == again["test/test.csv"] != other["test/test.csv"]
    assert record_of(first)["split"] == {
        "method": "sha256-of-features",
        "seed": 7,
        "shares": {"train": 0.8, "validation": 0.0, "test": 0.2},
    }


def test_test_rows_of_a_night_were_trained_on_in_no_earlier_one(
    sample: list[list[str]], preprocess: Callable
) -> None:
    trained: set[tuple[str, ...]] = set()
    for night in range(20, 84, 9):
        files = preprocess({"a.csv": [sample[0], *sample[night : 5 if night > 60 else 0 : -1]]})
        tested = {tuple(row) for row in rows_of(files, "test")[1:]}
        trained |= {tuple(row) for row in rows_of(files, "train")[1:]}
        assert tested
        assert not tested & trained


@pytest.mark.parametrize("features", ["raw", "engineered"])
def test_test_rows_leave_no_trace_in_what_is_fitted(
    features: str, sample: list[list[str]], preprocess: Callable
) -> None:
    before = preprocess({"a.csv": sample}, "--features", features)
    # A row's longitude is its number, which tells where it went.
    extreme = [
        ["99", "150", "", "999", "999999", "9999", "32", f"{-125 + n / 10}", "99"]
        for n in range(60)
    ]
    options = ("--features", features, "--maximum-null-share", 1)
    tried = preprocess({"a.csv": [*sample, *extreme]}, *options)
    held_out = {row[7] for row in rows_of(tried, "test")[1:] if row[4] == "999999.0"}
    added = [row for row in extreme if f"{float(row[7])}" in held_out]
    assert 5 < len(added) < 20
    gone = {tuple(map(float, row)) for row in rows_of(before, "test")[1:4]}
    kept = [row for row in sample[1:] if tuple(map(float, row)) not in gone]
    after = preprocess({"a.csv": [sample[0], *kept, *added]}, *options)
    assert after["test/test.csv"] != before["test/test.csv"]
    assert after["train/train.csv"] == before["train/train.csv"]
    name = "preprocessor/preprocessor.joblib"
    assert after[name] == before[name]


def test_files_of_a_snapshot_are_joined_in_the_order_of_their_names(
    sample: list[list[str]], preprocess: Callable
) -> None:
    whole = preprocess({"all.csv": sample})
    parts = preprocess(
        {
            "part-2.csv": [sample[0], *sample[60:]],
            "part-0.csv": sample[:20],
            "part-1.CSV": [sample[0], *sample[20:60]],
            "manifest.json": [["{}"]],
            "_SUCCESS": [],
        }
    )
    files = [(file["name"], file["rows"]) for file in record_of(parts)["files"]]
    assert files == [("part-0.csv", 19), ("part-1.CSV", 40), ("part-2.csv", 24)]
    del whole["preprocessor/preprocessing.json"], parts["preprocessor/preprocessing.json"]
    assert parts == whole


def test_layout_of_a_file_is_free(
    sample: list[list[str]], run_warm: Callable[..., Outcome], tmp_path: Path
) -> None:
    """Byte-order mark, line ends, quotes, spaces, blank lines at the end, order of columns."""
    plain = "".join(",".join(row) + "\n" for row in sample)
    turned = "".join(",".join(reversed(row)) + "\n" for row in sample)
    quoted = "".join(",".join(f'"{cell}"' for cell in row) + "\r\n" for row in sample)
    header, body = plain.split("\n", 1)
    spaced = [f"{header}\n{rows.replace(',', ', ')}" for rows in (body, body.replace("\n", " \n"))]
    quoted_spaced = f"{header}\n" + quoted.split("\n", 1)[1].replace(",", ", ")
    contents = [plain, turned, "\ufeff" + quoted, plain.rstrip("\n"), plain + "\n \n"]
    contents += [*spaced, quoted_spaced]
    written = []
    for i, content in enumerate(contents):
        (tmp_path / f"{i}").mkdir()
        (tmp_path / f"{i}" / "a.csv").write_bytes(content.encode())
        done = run_warm(
            "preprocess.py",
            *("--snapshot", tmp_path / f"{i}", "--output", tmp_path / f"out-{i}"),
            *("--message", tmp_path / "message", "--minimum-rows", 10),
        )
        assert done.code == 0, done.stderr
        files = files_below(tmp_path / f"out-{i}")
        del files["preprocessor/preprocessing.json"]  # it tells the file's own hash
        written.append(files)
    assert all(files == written[0] for files in written)


def test_doubtful_data_is_named_and_passes(sample: list[list[str]], preprocess: Callable) -> None:
    def warnings(tables: dict[str, list[list[str]]]) -> list[str]:
        return record_of(preprocess(tables)).get("warnings", [])

    repeat, kept = "repeat an earlier one; the first is", "Equal rows go to one split"
    assert warnings({"a.csv": sample}) == []
    header, *rows = sample
    spoilt = [[row[TARGET], "7", *row[2:]] for row in rows]
    assert warnings({"a.csv": [header, *spoilt, *spoilt[:40]], "b.csv": sample}) == [
        f"40 of 206 rows {repeat} a.csv: line 85. {kept}"
    ]
    twice = warnings({"a.csv": [header, *spoilt], "b.csv": [header, *spoilt]})
    same, repeated, constant, target = twice
    assert same == "b.csv is the same file as a.csv, byte for byte"
    assert repeated == f"83 of 166 rows {repeat} b.csv: line 2. {kept}"
    assert constant.startswith("column HouseAge is 7.0 in all 166 rows that have it; a constant")
    assert target.startswith("column MedInc equals the target, MedHouseVal, in all 166 rows that")


@pytest.mark.parametrize("repeated", [1, 40, 83])
def test_equal_rows_go_to_one_split(
    repeated: int, sample: list[list[str]], preprocess: Callable
) -> None:
    """Nulls are equal, too; and of rows that differ none moves."""
    sample = with_cell(sample, 1, 2, "")
    files = preprocess({"a.csv": [*sample, *sample[1 : repeated + 1]]})
    train, test = ([tuple(row) for row in rows_of(files, name)[1:]] for name in ("train", "test"))
    assert len(train) + len(test) == 83 + repeated
    assert not {*train} & {*test}
    assert len({*train, *test}) == 83
    assert 0.05 < len(test) / (83 + repeated) < 0.4


def test_null_features_are_kept_and_null_targets_dropped(
    sample: list[list[str]], preprocess: Callable
) -> None:
    table = with_cell(sample, 1, 2, "NA")
    table = with_cell(table, 2, 3, "null")
    table = with_cell(table, 3, TARGET, "NaN")
    files = preprocess({"a.csv": table})
    record = record_of(files)
    assert record["rows"] == {
        "read": 83,
        "dropped": 1,
        "train": record["rows"]["train"],
        "validation": 0,
        "test": 82 - record["rows"]["train"],
    }
    nulls = {name: count for name, count in record["nulls"].items() if count}
    assert nulls == {"AveRooms": 1, "AveBedrms": 1, "MedHouseVal": 1}
    cells = [cell for split in ("train", "test") for row in rows_of(files, split) for cell in row]
    assert cells.count("") == 2


def test_same_input_gives_the_same_bytes(
    engineered_run: Run, snapshot_folder: Path, tmp_path: Path
) -> None:
    """In another process, with another order of sets and dictionaries' hashes."""
    done = run_cold(
        SCRIPTS / "preprocess.py",
        *("--snapshot", snapshot_folder, "--output", tmp_path / "output"),
        *("--message", tmp_path / "message"),
        PYTHONHASHSEED="7",
    )
    assert done.code == 0, done.stderr
    assert files_below(tmp_path / "output") == files_below(engineered_run.preprocessed)


def test_log_tells_rows_and_seconds(
    snapshot_folder: Path, run_warm: Callable[..., Outcome], tmp_path: Path
) -> None:
    done = run_warm(
        "preprocess.py",
        *("--snapshot", snapshot_folder, "--output", tmp_path, "--message", tmp_path / "message"),
    )
    assert "read 20640 rows of california_housing.csv in " in done.stdout
    assert "train: 16541 rows" in done.stdout
    assert not done.stderr
