from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from local_stack.programs import control, kernel
from local_stack.programs.places import PROJECT, Place, local_place

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOLDER = textwrap.dedent(
    """
    import sys, time
    from pathlib import Path
    from local_stack.programs import control
    from local_stack.programs.places import local_place

    with control.hold(local_place(state=Path(sys.argv[1]))):
        print("holding", flush=True)
        time.sleep(600)
    """
)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return local_place(state=tmp_path)


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """A program in a session of its own, as all programs of a place are."""
    process = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True
    )
    yield process
    process.kill()
    process.wait()


def hold_elsewhere(place: Place) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(place.state)],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "holding\n"
    return process


def test_nobody_holds_a_new_place(place: Place) -> None:
    assert control.holder(place) is None


def test_the_holder_is_known_while_it_lives_and_no_longer(place: Place) -> None:
    process = hold_elsewhere(place)
    assert control.holder(place) == process.pid
    # It cannot clean up after this.
    process.kill()
    process.communicate()
    assert control.holder(place) is None


def test_only_one_process_can_hold_a_place(place: Place) -> None:
    process = hold_elsewhere(place)
    try:
        with (
            pytest.raises(control.AlreadyRunningError, match=f"process {process.pid} runs"),
            control.hold(place),
        ):
            pytest.fail("two hold it")
    finally:
        process.kill()
        process.communicate()
    with control.hold(place):
        assert control.holder(place) == os.getpid()
    assert control.holder(place) is None


def test_a_process_id_left_behind_by_a_reboot_means_nothing(
    place: Place, stranger: subprocess.Popen[bytes]
) -> None:
    place.control.mkdir(parents=True)
    (place.control / "lock").write_text(str(stranger.pid))
    assert control.holder(place) is None


def test_a_record_reads_back_as_it_was_written(place: Place) -> None:
    record = control.Record(boot="b", programs={"x": (1, "2")}, url="u", dags=("d",))
    control.write_record(place, record)
    assert control.read_record(place) == record


def test_no_record_is_none(place: Place) -> None:
    assert control.read_record(place) is None


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's process table")
class TestLeftovers:
    def record(self, process: subprocess.Popen[bytes]) -> control.Record:
        started = kernel.start_time(process.pid)
        assert started is not None
        return control.Record(boot=control.boot_id(), programs={"api": (process.pid, started)})

    def test_they_are_ended(self, place: Place, stranger: subprocess.Popen[bytes]) -> None:
        control.write_record(place, self.record(stranger))
        assert control.end_leftovers(place) == ["api"]
        assert stranger.wait(20) == -signal.SIGTERM

    def test_those_of_a_program_that_is_gone_are_ended(self, place: Place) -> None:
        code = "import subprocess; print(subprocess.Popen(['sleep', '600']).pid, flush=True)"
        gone = subprocess.Popen(
            [sys.executable, "-c", code], start_new_session=True, stdout=subprocess.PIPE
        )
        record = self.record(gone)
        assert gone.stdout is not None
        child = int(gone.stdout.readline())
        gone.wait(20)
        control.write_record(place, record)

        assert control.end_leftovers(place) == ["api"]
        assert kernel.start_time(child) is None

    def test_a_stranger_with_the_same_process_id_is_spared(
        self, place: Place, stranger: subprocess.Popen[bytes]
    ) -> None:
        record = self.record(stranger)
        control.write_record(place, replace(record, programs={"api": (stranger.pid, "1")}))
        assert control.end_leftovers(place) == []
        assert stranger.poll() is None

    def test_a_record_of_an_earlier_boot_means_nothing(
        self, place: Place, stranger: subprocess.Popen[bytes]
    ) -> None:
        control.write_record(place, replace(self.record(stranger), boot="before"))
        assert control.end_leftovers(place) == []
        assert stranger.poll() is None
