"""What the process that runs a place does when one of its programs ends."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from local_stack.commands import supervisor
from local_stack.programs import control, kernel
from local_stack.programs.places import local_place
from local_stack.programs.processes import Children, Program, ProgramEndedError

if TYPE_CHECKING:
    from pathlib import Path

# Ends when it is started first, and then runs on.
FRAIL = """
import pathlib, sys, time
mark = pathlib.Path("mark")
if not mark.exists():
    mark.touch()
    sys.exit("out of memory")
print("here again", flush=True)
time.sleep(600)
"""


def program(folder: Path, name: str, code: str, *, stage: int) -> Program:
    return Program(
        name=name,
        command=(sys.executable, "-c", code),
        environment={"PATH": os.environ["PATH"]},
        folder=folder,
        log=folder / f"{name}.log",
        stage=stage,
    )


def test_what_ends_is_started_again_and_only_the_databases_end_stops_all(tmp_path: Path) -> None:
    place = local_place(state=tmp_path)
    said: list[str] = []
    with Children() as children:
        steady = children.start(
            program(tmp_path, "triggerer", "import time; time.sleep(600)", stage=2)
        )
        frail = children.start(program(tmp_path, "local-sagemaker", FRAIL, stage=1))
        children.start(program(tmp_path, "postgres", "import time; time.sleep(4)", stage=0))
        control.write_record(place, control.record_of(children.running))
        with pytest.raises(ProgramEndedError, match="postgres exited with 0"):
            supervisor._watch(place, children, said.append)
        (again,) = [child for child in children.running if child.program.name == "local-sagemaker"]
        assert again.pid != frail.pid
        assert not again.has_ended()
        assert not steady.has_ended()
        record = control.read_record(place)
        assert record is not None
        assert record.programs["local-sagemaker"][0] == again.pid
        assert record.programs["triggerer"] == (steady.pid, kernel.start_time(steady.pid))
    (line,) = said
    assert "local-sagemaker exited with 1" in line
    assert line.endswith("starting local-sagemaker again; the others go on")
    words = (tmp_path / "local-sagemaker.log").read_text()
    assert words.index("out of memory") < words.index("here again")


def test_what_ends_at_once_is_not_started_all_the_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = local_place(state=tmp_path)
    said: list[str] = []
    monkeypatch.setattr(supervisor, "_WATCH_S", 0.05)
    with Children() as children:
        children.start(program(tmp_path, "local-sagemaker", "import sys; sys.exit(3)", stage=1))
        children.start(program(tmp_path, "postgres", "import time; time.sleep(2)", stage=0))
        with pytest.raises(ProgramEndedError):
            supervisor._watch(place, children, said.append)
    assert len(said) == 1
