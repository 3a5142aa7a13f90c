"""The command that writes the definition of a pipeline that a program builds."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.dags.place import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = """
import json, os
from beside import NAME

print("said to people")
count = 0

class Pipeline:
    name = NAME

    def definition(self):
        global count
        count += DRIFT
        return json.dumps({"Version": "é", "Count": count, "Asked": {
            name: os.environ.get(name) for name in WATCHED}})

def pipeline():
    return Pipeline()

made = Pipeline()
other = 7
WATCHED = ["AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "SAGEMAKER_VALIDATE_ROLE"]
DRIFT = 0
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "beside.py").write_text('NAME = "mine"\n')
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "drifting.py").write_text(f"{PROGRAM}\nDRIFT = 1\n")
    (tmp_path / "wrong.py").write_text(f"{PROGRAM}\nPipeline.definition = lambda _: '{{'\n")
    (tmp_path / "broken.py").write_text("import nothing_of_that_name\n")
    return tmp_path


def write(place: Path, *arguments: str) -> Any:
    return subprocess.run(
        [sys.executable, "-P", "-m", "retraining.sagemaker_pipelines", "write", *arguments],
        env={
            "PYTHONPATH": str(ROOT / "plugins"), "PATH": os.environ["PATH"],
            "AWS_PROFILE": "own", "AWS_ACCESS_KEY_ID": "own",
        },
        cwd=place, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("target", ["program:made", "program.py:made", "program:pipeline"])
def test_a_pipeline_is_built_where_no_aws_is_known(place: Path, target: str) -> None:
    ended = write(place, target, "--region", "eu-west-1")
    assert ended.returncode == 0, ended.stderr
    assert (
        ended.stdout
        == """{
  "Version": "é",
  "Count": 0,
  "Asked": {
    "AWS_PROFILE": null,
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_ACCESS_KEY_ID": "unused",
    "SAGEMAKER_VALIDATE_ROLE": "false"
  }
}
"""
    )
    assert ended.stderr == "said to people\n"
    assert '"AWS_ACCESS_KEY_ID": "own"' in write(place, target, "--with-aws").stdout


def test_a_file_is_replaced_by_what_is_built_now(place: Path) -> None:
    (place / "out.json").write_text("old")
    ended = write(place, f"{place}/program.py:made", "-o", "out.json")
    assert (ended.returncode, ended.stdout) == (0, "")
    assert (place / "out.json").read_text().startswith('{\n  "Version": "é"')
    ended = write(place, "program:made", "-o", "no/out.json")
    assert ended.returncode == 1
    assert ended.stderr.endswith("No such file or directory\n")
    assert sorted(path.name for path in place.glob("*.json")) == ["out.json"]
    assert not list(place.glob(".*"))


def test_a_definition_that_is_another_each_time_is_told(place: Path) -> None:
    ended = write(place, "drifting.py:pipeline")
    assert ended.returncode == 0
    assert '"Count": 1,' in ended.stdout
    said = 'drifting.py:pipeline: it is another each time that it is built, at "Count": 1,\n'
    assert said in ended.stderr


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("program", "a module or file, a colon and a name in it are wanted"),
        ("program:", "a module or file, a colon and a name in it are wanted"),
        ("program.py:none", "has no attribute 'none'"),
        ("program:other", "is 7, no pipeline of the SageMaker SDK"),
        ("program:Pipeline", None),
        ("wrong:made", "wrong:made: pipeline mine: not JSON: Expecting property name"),
        ("none:made", "none:made: there is no module none"),
        ("none.py:made", "none.py:made: there is no file none.py"),
        ("broken:made", "No module named 'nothing_of_that_name'"),
    ],
)
def test_what_is_no_pipeline_is_told(place: Path, target: str, message: str | None) -> None:
    ended = write(place, target)
    assert ended.returncode == (0 if message is None else 1)
    assert message is None or message in ended.stderr
