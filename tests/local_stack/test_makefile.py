"""What the Makefile would do, on a machine where nothing has been made yet."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from local_stack.programs.places import PROJECT
from local_stack.samples.pipelines import LARGE_PIPELINES, PIPELINES
from local_stack.samples.pretrained_model import NAME as PRETRAINED

if TYPE_CHECKING:
    from pathlib import Path

MAKEFILE = (PROJECT / "Makefile").read_text()
IMAGES = {path.parent.name for path in PROJECT.glob("local_sagemaker/images/*/requirements.in")}
PYTORCH = {"pytorch-2.6.0"}
LARGE_IMAGES = PYTORCH | {"huggingface-pytorch-2.6.0"}
DATA = {"california_housing.csv", "abalone.csv"}
REVIEWS = {"product_reviews.csv"}


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    """A checkout without .venv and .local."""
    for path in (PROJECT / "Makefile", *PROJECT.glob("requirements*")):
        shutil.copy(path, tmp_path)
    shutil.copytree(PROJECT / "local_sagemaker/images", tmp_path / "local_sagemaker/images")
    return tmp_path


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Let make say what it would do."""
    return subprocess.run(
        ["make", "--dry-run", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def would_make(folder: Path, *arguments: str) -> tuple[set[str], set[str]]:
    """The image environments and the tables that make would make."""
    ran = make(folder, *arguments)
    assert ran.returncode == 0, ran.stderr
    images = set(
        re.findall(
            r"-m local_sagemaker\.environments --images \.local/images +(\S+)$",
            ran.stdout,
            re.MULTILINE,
        )
    )
    tables = set(re.findall(r"\.samples\.\w+_table \S+ \.local/sample-data/(\S+)", ran.stdout))
    return images, tables


@pytest.mark.parametrize(
    ("arguments", "images", "tables"),
    [
        (
            ["demo", "PIPELINE=california_housing"],
            {"sklearn-1.4-2"},
            {"california_housing.csv"},
        ),
        (["demo", "PIPELINE=abalone"], {"sklearn-1.4-2", "xgboost-3.0-5"}, {"abalone.csv"}),
        (["demo"], {"sklearn-1.4-2", "xgboost-3.0-5"}, DATA),
        (["setup"], {"sklearn-1.4-2", "xgboost-3.0-5"}, DATA),
        (["up"], {"sklearn-1.4-2", "xgboost-3.0-5"}, DATA),
        (["test"], IMAGES - LARGE_IMAGES, DATA),
        (["demo", "PIPELINE=product_reviews"], PYTORCH, REVIEWS),
        (["demo", "PIPELINE=reviews"], PYTORCH, REVIEWS),
        (
            ["setup", "PIPELINE=product-reviews"],
            {"sklearn-1.4-2", "xgboost-3.0-5"} | PYTORCH,
            DATA | REVIEWS,
        ),
    ],
)
def test_a_target_makes_the_environments_and_tables_that_it_needs_and_no_others(
    fresh: Path, arguments: list[str], images: set[str], tables: set[str]
) -> None:
    assert would_make(fresh, *arguments) == (images, tables)


def test_what_was_made_is_not_made_again_until_its_requirements_change(fresh: Path) -> None:
    stamp = fresh / ".local/images/sklearn-1.4-2/.installed"
    for made in (
        *(fresh / ".venv/.installed", fresh / ".local/uv/bin/uv", stamp),
        fresh / ".local/sample-data/california_housing.csv",
    ):
        made.parent.mkdir(parents=True, exist_ok=True)
        made.touch()
    demo = ("demo", "PIPELINE=california_housing")
    assert would_make(fresh, *demo) == (set(), set())
    source = fresh / "local_sagemaker/images/sklearn-1.4-2"
    made_at = stamp.stat().st_mtime
    for changed in (source / "requirements.txt", source / "site/gethostname.py"):
        os.utime(changed, (made_at + 1, made_at + 1))
        assert would_make(fresh, *demo)[0] == {"sklearn-1.4-2"}, changed
        os.utime(changed, (made_at - 1, made_at - 1))


def test_a_pretrained_model_is_fetched_only_for_the_pipeline_that_begins_with_it(
    fresh: Path,
) -> None:
    def fetched(*arguments: str) -> list[str]:
        return re.findall(
            r"samples\.pretrained_model \S+ \.local/sample-data/(\S+)",
            make(fresh, *arguments).stdout,
        )

    assert fetched("demo", "PIPELINE=reviews") == [PRETRAINED]
    assert fetched("test") == fetched("demo") == fetched("up") == []


def test_another_build_of_torch_is_handed_on(fresh: Path) -> None:
    stamp = ".local/images/pytorch-2.6.0/.installed"
    told = [make(fresh, stamp, *more).stdout.splitlines()[-1] for more in ([], ["TORCH=/a b"])]
    command = "-m local_sagemaker.environments --images .local/images"
    assert [line.partition(command)[2].split(maxsplit=1) for line in told] == [
        ["pytorch-2.6.0"],
        ["--torch", "'/a b' pytorch-2.6.0"],
    ]


@pytest.mark.parametrize("target", ["demo", "land-snapshot", "setup"])
def test_an_unknown_pipeline_is_an_error_before_anything_is_made(fresh: Path, target: str) -> None:
    ran = make(fresh, target, "PIPELINE=abalones")
    assert ran.returncode == 2
    assert ran.stdout == ""
    assert (
        'there is no data for a pipeline "abalones"; there is for california_housing abalone '
        "product_reviews" in ran.stderr
    )


@pytest.mark.parametrize("name", ["california_housing", "california-housing"])
def test_a_pipeline_may_be_spelled_as_its_folder_or_as_its_name(fresh: Path, name: str) -> None:
    last = make(fresh, "demo", f"PIPELINE={name}").stdout.splitlines()[-1]
    assert last == ".venv/bin/python -m local_stack demo --pipeline california_housing"


def test_any_pipeline_can_be_reported(fresh: Path) -> None:
    last = make(fresh, "report", "PIPELINE=mine", "AT_MOST=6").stdout.splitlines()[-1]
    assert re.search(r"local_stack report --pipeline 'mine' +--at-most='6'", last)


def test_the_makefile_knows_the_pipelines_that_have_data() -> None:
    named = {
        variable: re.findall(rf"^{variable} := (.+)$", MAKEFILE, re.MULTILINE)[0].split()
        for variable in ("PIPELINES", "LARGE_PIPELINES")
    }
    for variable, pipelines, data in (
        ("PIPELINES", PIPELINES, DATA), ("LARGE_PIPELINES", LARGE_PIPELINES, REVIEWS)
    ):  # fmt: skip
        assert named[variable] == [pipeline.name.replace("-", "_") for pipeline in pipelines]
        assert {pipeline.table.name for pipeline in pipelines} == data
    for name in (*named["PIPELINES"], *named["LARGE_PIPELINES"]):
        images = re.search(rf"^IMAGES_OF_{name} := (.+)$", MAKEFILE, re.MULTILINE)
        assert images
        assert set(images[1].split()) <= IMAGES


def test_help_lists_every_target_that_a_person_may_want() -> None:
    ran = subprocess.run(
        ["make", "help"], cwd=PROJECT, capture_output=True, text=True, timeout=60, check=True
    )
    listed = set(re.findall(r"^  make (\S+)", ran.stdout, re.MULTILINE))
    # "browser" is a step of "test".
    assert listed == set(re.findall(r"^\.PHONY: (\S+)$", MAKEFILE, re.MULTILINE)) - {"browser"}
