from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from typing import TYPE_CHECKING

import pytest

from local_stack.programs import kernel
from local_stack.programs.places import PROJECT
from local_stack.programs.processes import Children, NotReadyError, Program, ProgramEndedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FOR_EVER = "import time; print('on duty', flush=True); time.sleep(600)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);" + FOR_EVER
# Says its own and its child's process id; the child lives in a session of its own.
PARENT = textwrap.dedent(
    """
    import os, subprocess, sys, time
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], {options})
    print(os.getpid(), child.pid, flush=True)
    time.sleep(600)
    """
)


def program(folder: Path, code: str, *, name: str = "worker", **options: object) -> Program:
    return Program(
        name=name,
        command=(sys.executable, "-c", code),
        environment={"PATH": os.environ["PATH"]},
        folder=folder,
        log=folder / f"{name}.log",
        **options,  # type: ignore[arg-type]
    )


def until(condition: Callable[[], bool], deadline_s: float = 20.0) -> None:
    give_up = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < give_up, "it did not happen in time"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    return kernel.start_time(pid) is not None


def on_duty(path: Path) -> bool:
    return path.exists() and "on duty" in path.read_text()


def test_a_program_runs_until_it_is_stopped(tmp_path: Path) -> None:
    with Children() as children:
        child = children.start(program(tmp_path, FOR_EVER))
        children.wait(lambda: on_duty(child.program.log), 20, child=child)
        assert is_alive(child.pid)
    assert not is_alive(child.pid)
    assert child.process.returncode == -signal.SIGTERM


def test_the_end_of_a_program_is_seen_without_waitid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "waitid")
    with Children() as children:
        child = children.start(program(tmp_path, FOR_EVER))
        until(lambda: on_duty(child.program.log))
        children.check()
        os.kill(child.pid, signal.SIGKILL)
        with pytest.raises(ProgramEndedError, match="was ended by SIGKILL"):
            children.wait(lambda: False, 20, child=child)


def test_a_program_gets_only_its_own_variables(tmp_path: Path) -> None:
    code = "import os; print(sorted(set(os.environ) - {'LC_CTYPE'}))"
    with Children() as children:
        children.run(program(tmp_path, code), 20)
    assert (tmp_path / "worker.log").read_text().strip() == "['PATH']"


def test_a_program_that_ends_is_reported_with_its_last_words(tmp_path: Path) -> None:
    with Children() as children:
        steady = children.start(program(tmp_path, FOR_EVER, name="steady"))
        children.start(program(tmp_path, "import sys; sys.exit('no more disk')", name="weak"))
        with pytest.raises(ProgramEndedError, match=r"(?s)weak exited with 1.*no more disk"):
            children.wait(lambda: False, 20, child=steady)
    assert not is_alive(steady.pid)


def test_a_program_that_was_killed_is_reported_by_the_signals_name(tmp_path: Path) -> None:
    code = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    with Children() as children, pytest.raises(ProgramEndedError, match="was ended by SIGKILL"):
        children.run(program(tmp_path, code), 20)


def test_a_program_that_does_not_become_ready_is_reported(tmp_path: Path) -> None:
    with Children() as children:
        child = children.start(program(tmp_path, FOR_EVER))
        until(lambda: on_duty(child.program.log))
        with pytest.raises(NotReadyError, match=r"(?s)worker was not ready after 0 s.*on duty"):
            children.wait(lambda: False, 0.1, child=child)


def test_a_program_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    with Children() as children:
        child = children.start(program(tmp_path, STUBBORN, grace_s=0.2))
        until(lambda: on_duty(child.program.log))
    assert child.process.returncode == -signal.SIGKILL


def test_later_stages_stop_first(tmp_path: Path) -> None:
    said: list[str] = []
    with Children(said.append) as children:
        for stage, name in enumerate(("database", "server", "client")):
            children.start(program(tmp_path, FOR_EVER, name=name, stage=stage))
        children.start(program(tmp_path, FOR_EVER, name="other client", stage=2))
    assert said == ["stopping client, other client", "stopping server", "stopping database"]


def test_programs_stop_even_if_nobody_can_be_told(tmp_path: Path) -> None:
    def broken(_: str) -> None:
        raise BrokenPipeError

    with Children(broken) as children:
        child = children.start(program(tmp_path, FOR_EVER))
    assert not is_alive(child.pid)


def test_what_a_program_started_ends_with_it(tmp_path: Path) -> None:
    with Children() as children:
        child = children.start(program(tmp_path, PARENT.format(options="")))
        until(lambda: "\n" in child.program.log.read_text())
        _, grandchild = map(int, child.program.log.read_text().split())
        assert is_alive(grandchild)
    until(lambda: not is_alive(grandchild))


# A program of its own, as the local stack is: it starts another and watches it.
OWN = textwrap.dedent(
    """
    import os, sys, time
    from pathlib import Path
    from local_stack.programs.processes import Children, Program, interruptible, no_survivors

    folder = Path(sys.argv[1])
    program = Program("parent", (sys.executable, "-c", sys.argv[2]), {"PATH": os.environ["PATH"]},
                      folder, folder / "parent.log")
    try:
        with interruptible(), no_survivors(), Children() as children:
            children.start(program)
            while True:
                children.check()
                time.sleep(0.02)
    except KeyboardInterrupt as error:
        print("interrupted by", error, flush=True)
    """
)


def start_own(folder: Path, code: str) -> tuple[subprocess.Popen[str], int, int]:
    own = subprocess.Popen(
        [sys.executable, "-c", OWN, str(folder), code],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    log = folder / "parent.log"
    until(lambda: log.exists() and "\n" in log.read_text())
    parent, grandchild = map(int, log.read_text().split())
    assert is_alive(parent)
    assert is_alive(grandchild)
    return own, parent, grandchild


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("session", ["", "start_new_session=True"])
def test_a_signal_ends_all_descendants(
    tmp_path: Path, number: signal.Signals, session: str
) -> None:
    own, parent, grandchild = start_own(tmp_path, PARENT.format(options=session))
    # As a terminal does: to the whole foreground group.
    os.killpg(own.pid, number)
    output, _ = own.communicate(timeout=20)

    assert output == f"interrupted by {number.name}\n"
    assert not is_alive(parent)
    assert not is_alive(grandchild)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children")
def test_a_program_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    own, parent, _ = start_own(tmp_path, PARENT.format(options=""))
    own.kill()
    own.wait(timeout=20)
    until(lambda: not is_alive(parent))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives orphans away")
def test_orphans_are_ended_when_a_program_ends_by_itself(tmp_path: Path) -> None:
    own, parent, grandchild = start_own(tmp_path, PARENT.format(options="start_new_session=True"))
    os.kill(parent, signal.SIGKILL)
    own.communicate(timeout=20)

    assert own.returncode == 1
    assert not is_alive(grandchild)


def test_a_missing_program_is_an_error(tmp_path: Path) -> None:
    missing = Program("x", (str(tmp_path / "no-such"),), {}, tmp_path, tmp_path / "x.log")
    with Children() as children, pytest.raises(FileNotFoundError):
        children.start(missing)
