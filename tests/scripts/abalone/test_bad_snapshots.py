"""Each kind of unusable snapshot ends the job with a message that says what, where and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.scripts.jobs import files_below, write_csv

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.scripts.abalone.conftest import Abalone

    Table = list[list[str]]

NAMES = "sex,length,diameter,height,whole_weight,shucked_weight,viscera_weight,shell_weight,rings"


def change(table: Table, cells: dict[tuple[int, int], str]) -> Table:
    """Replace cells, named by line and column, both counted from 1."""
    copy = [list(row) for row in table]
    for (line, column), value in cells.items():
        copy[line - 1][column - 1] = value
    return copy


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        pytest.param(
            lambda table: [NAMES.split(","), *table],
            "a.csv: line 1 is a header; begin with the first row",
            id="header",
        ),
        pytest.param(
            lambda table: [
                [f"{name[0].upper()}{name[1:]} in UCI's words" for name in NAMES.split(",")],
                *table,
            ],
            "a.csv: line 1 is a header; begin with the first row",
            id="header in other words",
        ),
        pytest.param(
            lambda table: [*table[:2], table[2][:-1], [*table[3], "1"]],
            f"a.csv: line 3 has 8 fields, a row has 9: {NAMES} (the first of 2 such lines)",
            id="wrong number of fields",
        ),
        pytest.param(
            lambda table: [table[0][1:], *table[1:]],
            f"a.csv: line 1 has 8 fields, a row has 9: {NAMES}",
            id="wrong number of fields in line 1",
        ),
        pytest.param(
            lambda table: change(table, {(4, 1): "X", (5, 1): "f"}),
            "a.csv: line 4, column sex: 'X' is none of M, F, I (the first of 2 such cells)",
            id="unknown sex",
        ),
        pytest.param(
            lambda table: change(table, {(2, 2): "-0.45"}),
            "a.csv: line 2, column length: -0.45 is impossible; 0 to 2 is legal",
            id="negative length",
        ),
        pytest.param(
            lambda table: change(table, {(1, 5): "heavy"}),
            "a.csv: line 1, column whole_weight: 'heavy' is not a number",
            id="text for a number",
        ),
        pytest.param(
            lambda table: change(table, {(1, 3): "73", (3, 8): "inf"}),
            "a.csv: line 1, column diameter: 73.0 is impossible; 0 to 2 is legal\n"
            "a.csv: line 3, column shell_weight: inf is not finite",
            id="millimetres and an infinity",
        ),
        pytest.param(
            lambda table: change(table, {(line, 1): "" for line in range(1, 85)}),
            "a.csv: line 1, column sex: null, as are all 84 values",
            id="no sex at all",
        ),
        pytest.param(
            lambda table: change(table, {(line, 9): "7" for line in range(1, 85)}),
            "a.csv: line 1, column rings: 7.0, as are all 84 values; a constant target teaches",
            id="constant target",
        ),
        pytest.param(
            lambda table: [*table[:3], [], *table[3:]],
            "a.csv: line 4 is blank, and more lines follow",
            id="blank line",
        ),
        pytest.param(lambda _: [], "a.csv: it is empty", id="no rows"),
        pytest.param(
            lambda table: table[:9],
            "a.csv: 9 rows have a rings; at least 10 are needed",
            id="too few rows",
        ),
        pytest.param(
            lambda table: [[";".join(row)] for row in table],
            f"a.csv: line 1 is delimited by semicolons; use commas; a row has 9: {NAMES}",
            id="semicolons",
        ),
        pytest.param(
            lambda _: [["<html>404</html>"]],
            f"a.csv: line 1 has one field; a row has 9: {NAMES}",
            id="a web page",
        ),
    ],
)
def test_bad_table_is_refused(
    spoil: Callable[[Table], Table], expected: str, sample: Table, abalone: Abalone
) -> None:
    write_csv(abalone.folder / "snapshot" / "a.csv", spoil(sample))
    outcome = abalone.preprocess("--minimum-rows", 10)
    assert outcome.code == 1
    assert "Traceback" not in outcome.stderr
    assert abalone.message().startswith(expected)
    assert not abalone.splits.exists() or files_below(abalone.splits) == {}


def test_validation_that_would_be_empty_is_refused(sample: Table, abalone: Abalone) -> None:
    """XGBoost's algorithm refuses an empty channel, but only when its instance has started."""
    write_csv(abalone.folder / "snapshot" / "a.csv", sample)
    shares = ("--train-share", 0.84, "--validation-share", 0.01, "--test-share", 0.15)
    assert abalone.preprocess("--minimum-rows", 10, *shares).code == 1
    assert abalone.message().startswith("the validation split has 1 of 84 rows; it needs two")
