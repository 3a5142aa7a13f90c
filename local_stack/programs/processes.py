"""Start programs together and stop them together, so that none is ever left behind.

Every program runs in a session of its own, so Ctrl-C in a terminal reaches only this process,
which then stops the others in order. Should this process be killed outright, the kernel tells
its children (Linux). What a program has started and left behind is adopted and ended as well.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from local_stack.errors import LocalStackError
from local_stack.programs import kernel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

_POLL_S = 0.05
_LAST_LINES = 15


class ProgramEndedError(LocalStackError):
    """A program ended although it should run on; the message has its last log lines."""


class NotReadyError(LocalStackError):
    """A program did not become ready in time; the message has its last log lines."""


@dataclass(frozen=True, slots=True)
class Program:
    """A program to run.

    Attributes:
        name: What people call it; also the name of its log.
        command: The program and its arguments. No secrets: other users can see them.
        environment: All of its variables.
        folder: Its working directory.
        log: The file that gets its output, from the start.
        stage: Programs of one stage stop together, those of later stages before it.
        stop_signal: How it is asked to end.
        grace_s: How long it may take for that, before it is killed.
        account: The account to run it under, if not one's own.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path
    log: Path
    stage: int = 0
    stop_signal: signal.Signals = signal.SIGTERM
    grace_s: float = 20.0
    account: kernel.Account | None = None


@dataclass(slots=True)
class Child:
    """A program that was started."""

    program: Program
    process: subprocess.Popen[bytes]

    @property
    def pid(self) -> int:
        """Its process id, and that of its process group."""
        return self.process.pid

    def has_ended(self) -> bool:
        """Tell whether it has ended, without forgetting its process id.

        As long as it is not reaped, its id cannot be given to another process: a signal to its
        group meets no stranger.
        """
        if self.process.returncode is not None:
            return True
        if not hasattr(os, "waitid"):  # macOS, before Python 3.13
            return self.process.poll() is not None
        options = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, self.pid, options) is not None

    def exit_code(self) -> int:
        """Return the exit code of a program that has ended, or minus the signal that ended it."""
        if self.process.returncode is not None:
            return self.process.returncode
        status = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        if status is None:
            raise AssertionError("waitid without WNOHANG waits")
        return status.si_status if status.si_code == os.CLD_EXITED else -status.si_status


@dataclass(slots=True)
class Children:
    """The programs that this process has started. A context: leaving it stops them all."""

    say: Callable[[str], None] = lambda _: None
    running: list[Child] = field(default_factory=list)

    def __enter__(self) -> Self:
        """Nothing runs yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop all."""
        self.stop()

    def start(self, program: Program, *, is_again: bool = False) -> Child:
        """Start a program; ``is_again`` keeps what its log has.

        Raises:
            OSError: There is no such program, or no right to run it.
        """
        program.log.parent.mkdir(parents=True, exist_ok=True)
        with program.log.open("ab" if is_again else "wb") as log:
            process = subprocess.Popen(
                program.command,
                env=dict(program.environment),
                cwd=program.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=kernel.before_exec(  # noqa: PLW1509 - no threads here
                    program.stop_signal, program.account
                ),
            )
        child = Child(program, process)
        self.running.append(child)
        return child

    def run(self, program: Program, deadline_s: float) -> None:
        """Run a program to its end.

        Raises:
            ProgramEndedError: It, or another program that should run on, failed.
            NotReadyError: It took longer than ``deadline_s``.
        """
        child = self.start(program)
        try:
            self.wait(child.has_ended, deadline_s, child=child, may_end=True)
        finally:
            self._end([child])
        if child.process.returncode != 0:
            raise ProgramEndedError(obituary(child))

    def wait(
        self,
        ready: Callable[[], bool],
        deadline_s: float,
        *,
        child: Child,
        may_end: bool = False,
        poll_s: float = _POLL_S,
    ) -> None:
        """Wait until ``ready`` says so, while all programs run.

        Args:
            ready: Tells whether it is.
            deadline_s: How long that may take.
            child: Whose readiness it is.
            may_end: Whether the child may end meanwhile.
            poll_s: How long to wait between two looks.

        Raises:
            ProgramEndedError: A program ended meanwhile.
            NotReadyError: ``child`` was not ready in time.
        """
        give_up = time.monotonic() + deadline_s
        while not ready():
            self.check(but=child if may_end else None)
            if time.monotonic() > give_up:
                raise NotReadyError(
                    f"{child.program.name} was not ready after {deadline_s:.0f} s."
                    f"{_last_lines(child.program.log)}"
                )
            time.sleep(poll_s)

    def check(self, *, but: Child | None = None) -> None:
        """Make sure that every program still runs.

        Raises:
            ProgramEndedError: One does not.
        """
        for child in self.ended():
            if child is not but:
                raise ProgramEndedError(obituary(child))

    def ended(self) -> list[Child]:
        """Return the programs that have ended although they should run on."""
        kernel.reap_orphans({child.pid for child in self.running})
        return [child for child in self.running if child.has_ended()]

    def start_again(self, child: Child) -> Child:
        """Start a program that has ended once more, without what is left of its process group.

        Raises:
            OSError: It cannot be started now; it is still among those that have ended.
        """
        self._end([child])
        try:
            return self.start(child.program, is_again=True)
        except OSError:
            self.running.append(child)
            raise

    def stop(self) -> None:
        """Stop all programs with their process groups, the last stage first."""
        stages = sorted({child.program.stage for child in self.running}, reverse=True)
        for stage in stages:
            chosen = [child for child in self.running if child.program.stage == stage]
            # A closed terminal is no reason to leave programs running.
            with contextlib.suppress(OSError):
                self.say("stopping " + ", ".join(child.program.name for child in chosen))
            self._end(chosen)

    def _end(self, children: list[Child]) -> None:
        for child in children:
            if not child.has_ended():
                os.kill(child.pid, child.program.stop_signal)
        deadline = time.monotonic() + max(child.program.grace_s for child in children)
        while time.monotonic() < deadline and not all(c.has_ended() for c in children):
            time.sleep(_POLL_S)
        for child in children:
            # Of one that was reaped the id may be another's by now.
            if child.process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL)
            child.process.wait()
            self.running.remove(child)


@contextlib.contextmanager
def no_survivors() -> Iterator[None]:
    """End, at the end, every process that descends from this one, whoever started it.

    For a program of its own, not for a part of one: it spares nothing.
    """
    kernel.adopt_orphans()
    try:
        yield
    finally:
        kernel.end_descendants()


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Turn SIGINT, SIGTERM and SIGHUP into KeyboardInterrupt, once.

    A second signal while the children are being stopped is ignored: it would leave some running.
    """
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def interrupt(number: int, _: object) -> None:
        for each in signals:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt(signal.Signals(number).name)

    before = {each: signal.signal(each, interrupt) for each in signals}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def obituary(child: Child) -> str:
    """Return how a program ended, with the last lines of its log."""
    code = child.exit_code()
    how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"exited with {code}"
    return f"{child.program.name} {how}.{_last_lines(child.program.log)}"


def _last_lines(log: Path) -> str:
    try:
        lines = log.read_text(errors="replace").splitlines()[-_LAST_LINES:]
    except OSError:
        lines = []
    text = "".join(f"\n    {line}" for line in lines) or "\n    (nothing)"
    return f" The last lines of {log}:{text}"
