"""What preprocessing writes: the rows that XGBoost's built-in algorithm takes."""

from __future__ import annotations

import csv
import json
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.scripts.jobs import files_below, run_cold, shipped, write_csv

if TYPE_CHECKING:
    from pathlib import Path

    from tests.scripts.abalone.conftest import Abalone

    Table = list[list[str]]

# As SageMaker's tutorial prepares rows, over the train split that the record's seed gives.
TUTORIAL = """
import sys, numpy as np, pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
train, written = (pd.read_csv(path, header=None) for path in sys.argv[1:])
measures = Pipeline([("imputer", SimpleImputer(strategy="median")), ("scaler", StandardScaler())])
encoder = OneHotEncoder(categories=[["M", "F", "I"]])
columns = ColumnTransformer([("num", measures, list(range(1, 8))), ("cat", encoder, [0])])
expected = np.column_stack([train[8], columns.fit_transform(train)])
np.testing.assert_allclose(written, expected, rtol=0, atol=1e-9)
print("good")
"""
# The lines of a file's rows that are trained on.
TRAIN_LINES = """
import pathlib, sys
from kit.csv_table import read_split
from kit.splits import Shares, split_table
from table import TABLE
rows = read_split(pathlib.Path(sys.argv[1]), TABLE)
print(*split_table(rows, Shares(0.7, 0.15, 0.15), table=TABLE, seed=42)["train"].index)
"""
RELOADED = """
import sys, joblib, numpy as np, pandas as pd
names = "length diameter height whole_weight shucked_weight viscera_weight shell_weight".split()
raw = pd.read_csv(sys.argv[2], header=None, names=["sex", *names, "rings"])
print(joblib.load(sys.argv[1]).transform(raw).shape)
assert not [name for name in sys.modules if name in ("features", "table", "kit")]
"""


def test_real_table_is_split_in_three(whole: Abalone) -> None:
    outcome = whole.preprocess()
    assert outcome.code == 0, outcome.stderr
    assert set(files_below(whole.splits)) == {
        "train/train.csv",
        "validation/validation.csv",
        "test/test.csv",
        "preprocessor/preprocessor.joblib",
        "preprocessor/preprocessing.json",
        "data/data_report.json",
    }
    sizes = {name: len(whole.rows_of(name)) for name in ("train", "validation", "test")}
    assert sizes == {"train": 2952, "validation": 594, "test": 631}
    record = whole.record()
    assert record["rows"] == {"read": 4177, "dropped": 0, **sizes}
    assert record["seed"] == 42
    assert [file["name"] for file in record["files"]] == ["abalone.csv"]
    assert len(record["fingerprint"]) == 64
    assert "read 4177 rows of abalone.csv in " in outcome.stdout
    assert "validation: 594 rows (seed 42)" in outcome.stdout


def test_rows_are_numbers_with_the_label_first(whole: Abalone) -> None:
    assert whole.preprocess().code == 0
    rings = []
    for split in ("train", "validation", "test"):
        for row in whole.rows_of(split):
            numbers = [float(cell) for cell in row]
            assert len(numbers) == 11
            assert sorted(numbers[8:]) == [0, 0, 1]
            rings.append(numbers[0])
    snapshot = (whole.folder / "snapshot" / "abalone.csv").read_text().split()
    assert sorted(rings) == sorted(float(line.rpartition(",")[2]) for line in snapshot)


def test_rows_are_prepared_as_the_tutorial_does(
    sample: Table, abalone: Abalone, tmp_path: Path
) -> None:
    snapshot = write_csv(abalone.folder / "snapshot" / "a.csv", sample)
    assert abalone.preprocess("--minimum-rows", 10).code == 0
    numbers = run_cold("-c", TRAIN_LINES, snapshot, PYTHONPATH=shipped("abalone"))
    train = [sample[int(number) - 1] for number in numbers.stdout.split()]
    assert len(train) == len(abalone.rows_of("train"))
    raw = write_csv(tmp_path / "raw.csv", train)
    done = run_cold("-c", TUTORIAL, raw, abalone.splits / "train" / "train.csv")
    assert done.stdout == "good\n", done.stderr


def test_spaces_and_quotes_are_no_part_of_a_cell(sample: Table, abalone: Abalone) -> None:
    snapshot = abalone.folder / "snapshot" / "a.csv"
    written = []
    for rows in (sample, [[f' "{cell}"' for cell in row] for row in sample]):
        write_csv(snapshot, rows)
        assert abalone.preprocess("--minimum-rows", 10).code == 0
        written.append({split: abalone.rows_of(split) for split in ("train", "test")})
    assert written[0] == written[1]


def test_doubts_are_told_and_equal_rows_stay_together(sample: Table, abalone: Abalone) -> None:
    rows = [[row[0], *row[1:7], row[8], row[8]] for row in sample]
    rows = [[*row[:7], f"{int(row[7]) / 2}", f"{int(row[8]) / 2}"] for row in rows]
    write_csv(abalone.folder / "snapshot" / "a.csv", [*rows, *rows[:30]])
    outcome = abalone.preprocess("--minimum-rows", 10)
    assert outcome.code == 0
    repeated, equal = abalone.record()["warnings"]
    assert repeated.startswith("30 of 114 rows repeat an earlier one; the first is a.csv: line 85")
    assert equal.startswith("column shell_weight equals the target, rings, in all 114 rows")
    assert f"warning: {repeated}\nwarning: {equal}\n" in outcome.stdout
    splits = [set(map(tuple, abalone.rows_of(name))) for name in ("train", "validation", "test")]
    assert sum(map(len, splits)) == len(set.union(*splits)) == 84


def test_the_report_on_the_data_is_of_all_rows_as_they_were_read(whole: Abalone) -> None:
    assert whole.preprocess().code == 0
    report = json.loads(files_below(whole.splits)["data/data_report.json"])
    snapshot = whole.folder / "snapshot" / "abalone.csv"
    rows = [line.split(",") for line in snapshot.read_text().splitlines()]
    assert report["rows"] == len(rows) == 4177
    assert report["duplicates"] == {"count": 0, "share": 0.0}
    sexes = Counter(row[0] for row in rows)
    told = report["columns"]["sex"]
    assert told["values"] == [{"value": s, "count": n} for s, n in sexes.most_common()]
    rings = Counter(float(row[8]) for row in rows)
    assert report["columns"]["rings"]["values"] == sorted(rings)
    assert report["columns"]["rings"]["counts"] == [rings[value] for value in sorted(rings)]
    weights = sorted(float(row[4]) for row in rows)
    told = report["columns"]["whole_weight"]
    assert (told["quantiles"][0], told["quantiles"][100], told["quantiles"][200]) == (
        weights[0], weights[2088], weights[-1]
    )  # fmt: skip


def test_split_follows_its_seed(whole: Abalone) -> None:
    written = []
    for seed in (42, 42, 7):
        assert whole.preprocess("--seed", seed).code == 0
        written.append(files_below(whole.splits))
    assert written[0] == written[1]
    assert written[0]["test/test.csv"] != written[2]["test/test.csv"]


@pytest.mark.parametrize("missing", ["0", "", "NA"])
def test_missing_measure_counts_as_the_train_median(
    missing: str, sample: Table, abalone: Abalone
) -> None:
    """UCI writes 0 for a height that was not taken."""
    snapshot = abalone.folder / "snapshot" / "a.csv"
    heights = []
    for value in ("0.13", missing):
        table = [list(row) for row in sample]
        for row in table:
            row[3] = "0.13"
        table[0][3] = "0.5"
        table[1][3] = value
        write_csv(snapshot, table)
        assert abalone.preprocess("--minimum-rows", 10).code == 0
        rows = [row for name in ("train", "validation", "test") for row in abalone.rows_of(name)]
        assert len(rows) == 84
        heights.append([row[3] for row in rows])
    assert heights[0] == heights[1]


def test_missing_sex_is_none_of_the_three(sample: Table, abalone: Abalone) -> None:
    table = [["", *row[1:]] if i == 5 else row for i, row in enumerate(sample)]
    write_csv(abalone.folder / "snapshot" / "a.csv", table)
    assert abalone.preprocess("--minimum-rows", 10).code == 0
    rows = [row for name in ("train", "validation", "test") for row in abalone.rows_of(name)]
    assert sum(row[8:] == ["0.0", "0.0", "0.0"] for row in rows) == 1
    assert abalone.record()["nulls"]["sex"] == 1


def test_row_without_rings_is_dropped(sample: Table, abalone: Abalone) -> None:
    table = [[*row[:8], ""] if i == 5 else row for i, row in enumerate(sample)]
    write_csv(abalone.folder / "snapshot" / "a.csv", table)
    assert abalone.preprocess("--minimum-rows", 10).code == 0
    assert abalone.record()["rows"]["dropped"] == 1


def test_held_out_rows_leave_no_trace_in_what_is_fitted(sample: Table, abalone: Abalone) -> None:
    snapshot = abalone.folder / "snapshot" / "a.csv"

    def preprocessed(rows: Table) -> dict[str, bytes]:
        write_csv(snapshot, rows)
        assert abalone.preprocess("--minimum-rows", 10).code == 0
        return files_below(abalone.splits)

    before = preprocessed(sample)
    # No other row has so many rings, which tell which of them are held out.
    extreme = [
        ["I", "2", "2", "2", "20", "20", "20", f"{20 - rings / 10}", f"{rings}"]
        for rings in range(30, 90)
    ]
    preprocessed([*sample, *extreme])
    held_out = {float(row[0]) for name in ("validation", "test") for row in abalone.rows_of(name)}
    added = [row for row in extreme if float(row[8]) in held_out]
    assert 5 < len(added) < 30
    after = preprocessed([*sample, *added])
    for name in ("train/train.csv", "preprocessor/preprocessor.joblib"):
        assert after[name] == before[name]
    assert after["test/test.csv"] != before["test/test.csv"]


def test_fitted_preprocessor_takes_raw_rows_and_needs_no_code_of_ours(
    sample: Table, whole: Abalone, tmp_path: Path
) -> None:
    assert whole.preprocess().code == 0
    raw = write_csv(tmp_path / "raw.csv", sample)
    preprocessor = whole.splits / "preprocessor" / "preprocessor.joblib"
    done = run_cold("-I", "-c", RELOADED, preprocessor, raw)
    assert done.stdout == "(84, 10)\n", done.stderr
    assert len(list(csv.reader(raw.read_text().splitlines()))) == 84
