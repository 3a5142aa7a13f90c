"""Each kind of unusable snapshot ends the job with a message that says what, where and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.scripts.jobs import files_below, write_csv

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.scripts.jobs import Outcome

    Table = list[list[str]]


class Job:
    """The preprocessing job over one snapshot's folder."""

    def __init__(self, folder: Path, run_warm: Callable[..., Outcome]) -> None:
        self.snapshot = folder / "snapshot"
        self.output = folder / "output"
        self.message = folder / "output-folder" / "message"
        self.snapshot.mkdir()
        self._run_warm = run_warm

    def run(self, *options: object) -> Outcome:
        return self._run_warm(
            "preprocess.py",
            *("--snapshot", self.snapshot, "--output", self.output, "--message", self.message),
            *("--minimum-rows", 10, *options),
        )

    def refusal(self, *options: object) -> str:
        """Run it, see that it fails as it should, and give the message."""
        outcome = self.run(*options)
        assert outcome.code == 1, outcome
        assert "Traceback" not in outcome.stderr
        assert not self.output.exists() or files_below(self.output) == {}
        message = self.message.read_text()
        assert outcome.stderr == message + "\n"
        return message


@pytest.fixture
def job(tmp_path: Path, run_warm: Callable[..., Outcome]) -> Job:
    return Job(tmp_path, run_warm)


def change(table: Table, cells: dict[tuple[int, str], str]) -> Table:
    """Replace cells, named by line number and column."""
    copy = [list(row) for row in table]
    for (line, column), value in cells.items():
        copy[line - 1][table[0].index(column)] = value
    return copy


def drop_column(table: Table, name: str) -> Table:
    index = table[0].index(name)
    return [row[:index] + row[index + 1 :] for row in table]


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        pytest.param(
            lambda table: drop_column(table, "AveRooms"),
            "a.csv: line 1, the header, lacks column AveRooms",
            id="missing column",
        ),
        pytest.param(
            lambda table: (
                [[*row, "1"] for row in [[*table[0], "Extra"][:-1], *table[1:]]][:0]
                or [[*table[0], "Extra"], *([*row, "1"] for row in table[1:])]
            ),
            "a.csv: line 1, the header, has an unknown column 'Extra'",
            id="extra column",
        ),
        pytest.param(
            lambda table: change(table, {(1, "MedInc"): "median_income"}),
            "a.csv: line 1, the header, lacks column MedInc\n"
            "a.csv: line 1, the header, has an unknown column 'median_income'",
            id="renamed column",
        ),
        pytest.param(
            lambda table: [
                [name.lower() if i % 2 else f" {name}" for i, name in enumerate(table[0])],
                *table[1:],
            ],
            "a.csv: line 1, the header, differs by case or spaces only: ' MedInc' must be MedInc, "
            "'houseage' must be HouseAge, ' AveRooms' must be AveRooms, 'avebedrms' must be "
            "AveBedrms, ' Population' must be Population, 'aveoccup' must be AveOccup, ' Latitude' "
            "must be Latitude, 'longitude' must be Longitude, ' MedHouseVal' must be MedHouseVal",
            id="case and spaces",
        ),
        pytest.param(
            lambda table: change(table, {(1, "MedInc"): "Med Inc", (1, "Latitude"): "lat"}),
            "a.csv: line 1, the header, differs by case or spaces only: 'Med Inc' must be MedInc\n"
            "a.csv: line 1, the header, lacks column Latitude\n"
            "a.csv: line 1, the header, has an unknown column 'lat'",
            id="a space, and another name",
        ),
        pytest.param(
            lambda table: [[*table[0], "medinc"], *([*row, row[0]] for row in table[1:])],
            "a.csv: line 1, the header, has an unknown column 'medinc'",
            id="a column twice but for case",
        ),
        pytest.param(
            lambda table: [[*row, row[0]] for row in table],
            "a.csv: line 1, the header, has column MedInc 2 times",
            id="duplicated column",
        ),
        pytest.param(
            lambda table: change(table, {(1, "HouseAge"): "MedInc"}),
            "a.csv: line 1, the header, lacks column HouseAge\n"
            "a.csv: line 1, the header, has column MedInc 2 times",
            id="column under another's name",
        ),
        pytest.param(
            lambda table: table[1:],
            "a.csv: line 1 is a row; it must be the header MedInc,HouseAge,",
            id="no header",
        ),
        pytest.param(
            lambda table: table[:1], "a.csv: it has a header and no row", id="header alone"
        ),
        pytest.param(
            lambda table: [*table[:4], table[4][:6], table[5], [*table[6], "1"]],
            "a.csv: line 5 has 6 fields, the header has 9 (the first of 2 such lines)",
            id="ragged lines",
        ),
        pytest.param(
            lambda table: [*table[:-1], table[-1][:3]],
            "a.csv: line 84 has 3 fields, the header has 9",
            id="cut off in the last line",
        ),
        pytest.param(
            lambda table: [*table[:4], [], *table[4:]],
            "a.csv: line 5 is blank, and more lines follow",
            id="blank line",
        ),
        pytest.param(
            lambda table: change(table, {(7, "AveRooms"): "six", (9, "AveRooms"): "ten"}),
            "a.csv: line 7, column AveRooms: 'six' is not a number (the first of 2 such cells)",
            id="text",
        ),
        pytest.param(
            lambda table: change(table, {(line, "HouseAge"): "True" for line in range(2, 85)}),
            "a.csv: line 2, column HouseAge: 'True' is not a number",
            id="booleans",
        ),
        pytest.param(
            lambda table: change(table, {(4, "AveOccup"): '"2,5"'}),
            "a.csv: line 4, column AveOccup: '2,5' is not a number",
            id="decimal comma",
        ),
        pytest.param(
            lambda table: change(table, {(4, "AveOccup"): '"2.5'}),
            "a.csv: line 4 has a broken quotation",
            id="broken quotation",
        ),
        pytest.param(
            lambda table: change(table, {(8, "Population"): "-inf"}),
            "a.csv: line 8, column Population: -inf is not finite",
            id="infinity",
        ),
        pytest.param(
            lambda table: change(table, {(8, "MedHouseVal"): "1e999"}),
            "a.csv: line 8, column MedHouseVal: '1e999' is not a number",
            id="overflow",
        ),
        pytest.param(
            lambda table: change(table, {(line, "HouseAge"): "" for line in range(2, 85)}),
            "a.csv: line 2, column HouseAge: null, as are all 83 values",
            id="all null",
        ),
        pytest.param(
            lambda table: change(table, {(line, "HouseAge"): "" for line in range(6, 15)}),
            "a.csv: line 6, column HouseAge: the first of 9 nulls in 83 rows; at most a share of "
            "0.1 is allowed",
            id="too many nulls",
        ),
        pytest.param(
            lambda table: change(table, {(line, "MedHouseVal"): "2.5" for line in range(2, 85)}),
            "a.csv: line 2, column MedHouseVal: 2.5, as are all 83 values",
            id="constant target",
        ),
        pytest.param(
            lambda table: table[:9],
            "a.csv: 8 rows have a MedHouseVal; at least 10 are needed",
            id="too few rows",
        ),
        pytest.param(
            lambda table: change(table, {(3, "Latitude"): "-122.2", (3, "Longitude"): "37.9"}),
            "a.csv: line 3, column Latitude: -122.2 is impossible; 32 to 42.5 is legal\n"
            "a.csv: line 3, column Longitude: 37.9 is impossible; -125 to -114 is legal",
            id="latitude and longitude swapped",
        ),
        pytest.param(
            lambda table: change(table, {(5, "AveRooms"): "-1", (6, "AveRooms"): "-2"}),
            "a.csv: line 5, column AveRooms: -1.0 is impossible; 0 to 1000 is legal (the first of "
            "2 such cells)",
            id="negative rooms",
        ),
        pytest.param(
            lambda table: change(table, {(5, "MedHouseVal"): "452600"}),
            "a.csv: line 5, column MedHouseVal: 452600.0 is impossible; 0 to 100 is legal",
            id="dollars instead of hundreds of thousands",
        ),
    ],
)
def test_bad_table_is_refused(
    spoil: Callable[[Table], Table], expected: str, sample: Table, job: Job
) -> None:
    write_csv(job.snapshot / "a.csv", spoil(sample))
    assert job.refusal().startswith(expected)


def test_names_alike_are_told_in_one_line(sample: Table, job: Job) -> None:
    write_csv(job.snapshot / "a.csv", [[name.lower() for name in sample[0]], *sample[1:]])
    assert len(job.refusal().splitlines()) == 1


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(lambda _: b"", "a.csv: it is empty", id="empty"),
        pytest.param(lambda _: b"\xef\xbb\xbf\r\n\n", "a.csv: it is empty", id="blank"),
        pytest.param(
            lambda text: text.replace(",", ";").encode(),
            "a.csv: line 1, the header, is delimited by semicolons; use commas",
            id="semicolons",
        ),
        pytest.param(
            lambda text: text.replace(",", "\t").encode(),
            "a.csv: line 1, the header, is delimited by tabs; use commas",
            id="tabs",
        ),
        pytest.param(
            lambda text: text.replace("HouseAge", "Häuser").encode("latin-1"),
            "a.csv: line 1 is not UTF-8: its byte 9 is 0xe4",
            id="latin-1 in the header",
        ),
        pytest.param(
            lambda text: text.encode().replace(b"\n8.", b"\n\xff8.", 1),
            "a.csv: line 2 is not UTF-8: its byte 1 is 0xff",
            id="a stray byte",
        ),
        pytest.param(
            lambda text: text.encode("utf-16"),
            "a.csv: line 1 is not UTF-8: its byte 1 is 0xff",
            id="utf-16",
        ),
        pytest.param(
            lambda _: b"PK\x03\x04\x14\0\0\0 not a table\n",
            "a.csv: line 1 has a NUL byte: it is not a CSV file",
            id="zip",
        ),
        pytest.param(
            lambda text: text.replace("\n", "\r").encode(),
            "a.csv: line 1 has a bare carriage return",
            id="carriage returns",
        ),
        pytest.param(
            lambda _: b"<html><body>404: not found</body></html>\n",
            "a.csv: line 1, the header, lacks column MedInc",
            id="a web page",
        ),
    ],
)
def test_bad_bytes_are_refused(
    content: Callable[[str], bytes], expected: str, sample: Table, job: Job
) -> None:
    text = "".join(",".join(row) + "\n" for row in sample)
    (job.snapshot / "a.csv").write_bytes(content(text))
    assert job.refusal().startswith(expected)


def test_folder_without_table_is_refused(job: Job) -> None:
    assert job.refusal() == f"{job.snapshot}: the snapshot's folder is empty; it needs a .csv file"
    (job.snapshot / "_SUCCESS").touch()
    assert "holds only _SUCCESS; it needs a .csv file" in job.refusal()
    (job.snapshot / "_SUCCESS").unlink()
    job.snapshot.rmdir()
    assert job.refusal().endswith("there is no such folder; has the snapshot landed?")


def test_all_problems_of_all_files_are_told_at_once(sample: Table, job: Job) -> None:
    write_csv(job.snapshot / "a.csv", change(sample, {(3, "AveRooms"): "x", (9, "Latitude"): "0"}))
    write_csv(job.snapshot / "b.csv", sample)
    write_csv(job.snapshot / "c.csv", drop_column(sample, "MedInc"))
    assert job.refusal().splitlines() == [
        "a.csv: line 3, column AveRooms: 'x' is not a number",
        "a.csv: line 9, column Latitude: 0.0 is impossible; 32 to 42.5 is legal",
        "c.csv: line 1, the header, lacks column MedInc",
    ]


def test_place_in_a_later_file_is_found(sample: Table, job: Job) -> None:
    write_csv(job.snapshot / "a.csv", sample[:20])
    nulls = {(line, "Population"): "" for line in range(4, 14)}
    write_csv(job.snapshot / "b.csv", change([sample[0], *sample[20:]], nulls))
    assert job.refusal().startswith("b.csv: line 4, column Population: the first of 10 nulls")


def test_message_is_cut_to_what_sagemaker_shows(sample: Table, job: Job) -> None:
    for i in range(40):
        write_csv(job.snapshot / f"{i:02}.csv", drop_column(sample, "MedInc"))
    outcome = job.run()
    assert outcome.code == 1
    assert len(outcome.stderr.splitlines()) == 40
    message = job.message.read_text()
    assert len(message) == 1024
    assert message.endswith(" …")
    assert outcome.stderr.startswith(message[:-2])


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--train-share", "0.9"), "must add up to 1"),
        (("--train-share", "1", "--test-share", "0"), "must be above 0"),
        (("--train-share", "nan"), "must add up to 1"),
        (("--features", "fancy"), "invalid choice: 'fancy' (choose from 'raw', 'engineered')"),
        (("--sead", "1"), "unrecognized arguments: --sead 1 (known arguments: --snapshot,"),
        (("--seed", "-1"), "--seed is -1"),
        (("--minimum-rows", "many"), "argument --minimum-rows: invalid int value: 'many'"),
        (("--maximum-null-share", "2"), "--maximum-null-share is 2.0"),
        (("--train-share", "0.999", "--test-share", "0.001"), "the test split has 1 of 83 rows"),
    ],
)
def test_bad_argument_is_refused(
    options: tuple[str, ...], expected: str, sample: Table, job: Job
) -> None:
    write_csv(job.snapshot / "a.csv", sample)
    assert expected in job.refusal(*options)


def test_fault_of_the_program_keeps_its_traceback(sample: Table, job: Job) -> None:
    """And what was written before it is taken back."""
    write_csv(job.snapshot / "a.csv", sample)
    job.output.mkdir()
    (job.output / "train").write_text("a file where a folder is due")
    outcome = job.run()
    assert outcome.code == 1
    assert "Traceback" in outcome.stderr
    assert "FileExistsError" in job.message.read_text()
    assert set(files_below(job.output)) == {"train"}
