"""Starts jobs from warm parents: processes that have imported an image's libraries already."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import signal
import socket
import subprocess
import threading
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

from local_sagemaker.jobs.container import base_environment
from local_sagemaker.jobs.fresh_start import Script
from local_sagemaker.jobs.processes import MARK
from local_sagemaker.jobs.supervisor import adopt_orphans

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local_sagemaker.images import Images

_PROGRAM = Path(__file__).with_name("warm_parent.py")
# A machine under load takes long to import; a job that waits in vain is started cold.
_IMPORT_SECONDS = 120.0
_BEGIN_SECONDS = 30.0
_READY = b"ready"
_LONGEST_REASON = 4096

log = logging.getLogger(__name__)


class _NotWarmError(Exception):
    """The script has not begun, and will not."""


class _ParentGoneError(_NotWarmError):
    """The parent died before it forked."""


@dataclass(slots=True)
class WarmProcess:
    """The supervisor of a job that was started warm: a child of the server, as a cold one is.

    Attributes:
        pid: Of the supervisor, which leads the job's session.
        stdout: The job's output.
        returncode: None as long as nobody has waited for its end.
    """

    pid: int
    stdout: IO[bytes]
    returncode: int | None = None

    def wait(self) -> int:
        """Return its exit code when it has ended."""
        if self.returncode is None:
            _, status = os.waitpid(self.pid, 0)
            self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Signal it, unless it has ended."""
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)


@dataclass(frozen=True, slots=True)
class _Parent:
    process: subprocess.Popen[bytes]
    channel: socket.socket


@dataclass(slots=True)
class _Place:
    """An image's place for a parent.

    Attributes:
        lock: Held while it is looked at or changed.
        parent: None before the first job.
        unfit: The image's libraries cannot be forked.
    """

    lock: threading.Lock = field(default_factory=threading.Lock)
    parent: _Parent | None = None
    unfit: bool = False


class WarmStarts:
    """The warm parents of all images; each is started at its image's first job."""

    def __init__(self, identity: str, images: Images) -> None:
        """Make this process adopt the jobs that its warm parents fork.

        Args:
            identity: The state's, which begins the marks of processes.
            images: Which modules their parents import.
        """
        adopt_orphans()
        self._identity, self._images = identity, images
        self._places: dict[Path, _Place] = {}
        self._lock = threading.Lock()

    def start(
        self, job: Mapping[str, object], environment_folder: Path, *, environment: Mapping[str, str]
    ) -> WarmProcess | None:
        """Start a job, if its command is a script of the image's Python.

        Args:
            job: What the supervisor is told.
            environment_folder: The environment that stands for the job's image.
            environment: All of the job's variables.

        Returns:
            Its supervisor; None if the job has to be started cold.
        """
        script = _script(job, environment_folder, environment=environment)
        if script is None or not self._images.preimported(environment_folder):
            return None
        with self._lock:
            place = self._places.setdefault(environment_folder, _Place())
        job = {**job, "script": asdict(script)}
        try:
            try:
                return self._fork(job, environment_folder, place=place)
            except _ParentGoneError:
                return self._fork(job, environment_folder, place=place)
        except (_NotWarmError, OSError) as error:
            log.info("%s is started cold: %s", environment[MARK], error)
            return None

    def close(self) -> None:
        """End the parents; there must be no jobs any more."""
        for place in self._places.values():
            with place.lock:
                _end(place)

    def _fork(
        self, job: Mapping[str, object], environment_folder: Path, *, place: _Place
    ) -> WarmProcess:
        output, its_output = os.pipe()
        answers, its_answers = socket.socketpair()
        stdout = os.fdopen(output, "rb")
        process: WarmProcess | None = None
        try:
            with its_answers:
                try:
                    descriptors = [its_answers.fileno(), its_output]
                    self._send(environment_folder, descriptors, place=place)
                finally:
                    os.close(its_output)
            answers.settimeout(_BEGIN_SECONDS)
            with answers, answers.makefile("rb") as lines:
                answers.sendall(json.dumps(job).encode())
                answers.shutdown(socket.SHUT_WR)
                if line := lines.readline():
                    process = WarmProcess(int(line), stdout)
                if process is not None and lines.readline() == b"begun\n":
                    return process
        except (BrokenPipeError, ConnectionResetError):
            pass  # it does not listen any more; below is why
        except (_NotWarmError, OSError):
            _abandon(process, stdout)
            raise
        reason = _abandon(process, stdout)
        if process is None and not reason:
            raise _ParentGoneError("the warm parent has gone")
        raise _NotWarmError(reason or "it ended before the script began")

    def _send(self, environment_folder: Path, descriptors: list[int], *, place: _Place) -> None:
        with place.lock:
            if place.unfit:
                raise _NotWarmError("its image has no warm parent")
            for _ in range(2):  # the first may have died since the last job
                if place.parent is None:
                    self._open(environment_folder, place)
                assert place.parent is not None  # noqa: S101 -- _open has made it
                try:
                    socket.send_fds(place.parent.channel, [b"!"], descriptors)
                except OSError as error:
                    log.warning("the warm parent of %s has died: %s", environment_folder, error)
                    _end(place)
                else:
                    return
        raise _NotWarmError("the warm parent died twice")

    def _open(self, environment_folder: Path, place: _Place) -> None:
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        name = environment_folder.name
        preimport = self._images.preimported(environment_folder)
        settings = {"preimport": preimport, "channel": its.fileno()}
        with its:
            process = subprocess.Popen(  # noqa: S603 -- our program, in the image's Python
                [str(environment_folder / "bin" / "python3"), str(_PROGRAM), json.dumps(settings)],
                cwd="/",
                # As a job's: a terminal would be asked how wide it is, a file where it ends.
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={
                    **base_environment(environment_folder),
                    MARK: f"{self._identity}/warm parent of {name};",
                },
                pass_fds=[its.fileno()],
                start_new_session=True,
            )
        place.parent = _Parent(process, ours)
        threading.Thread(target=_log_output, args=(process, name), daemon=True).start()
        ours.settimeout(_IMPORT_SECONDS)
        try:
            answer = ours.recv(_LONGEST_REASON)
        except OSError as error:
            answer = str(error).encode()
        if answer == _READY:
            log.info("jobs of %s are forked from process %d", name, process.pid)
            return
        _end(place)
        # It was not killed, it has said that it will never do.
        place.unfit = bool(answer)
        reason = answer.decode("utf-8", "replace") or "it has ended as it began"
        if place.unfit:
            log.warning("jobs of %s are started cold, it has no warm parent: %s", name, reason)
        raise _NotWarmError(reason)


def _script(
    job: Mapping[str, object], environment_folder: Path, *, environment: Mapping[str, str]
) -> Script | None:
    command = job["command"]
    assert isinstance(command, list)  # noqa: S101 -- the server made it
    programs = environment_folder / "bin"
    found = shutil.which(command[0], path=environment.get("PATH"))
    if found is None or Path(found).parent != programs:
        return None
    program = Path(found)
    python = programs / "python3"
    if program.resolve() == python.resolve():
        if len(command) < 2 or command[1].startswith("-") or not command[1]:
            return None
        interpreter, at = found, 1
    else:
        with program.open("rb") as file:
            first = os.fsdecode(file.readline(_LONGEST_REASON)).rstrip("\n")
        interpreter = first.removeprefix("#!")
        if interpreter == first or Path(interpreter).parent != programs:
            return None
        if Path(interpreter).resolve() != python.resolve():
            return None
        command, at = [interpreter, found, *command[1:]], 1
    return Script(
        interpreter=interpreter,
        command=tuple(command),
        at=at,
        name=program.name,
        environment=environment,
        folder=str(job["folder"]),
    )


def _abandon(process: WarmProcess | None, stdout: IO[bytes]) -> str:
    if process is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGHUP)  # at once, with all that it may have started
        process.wait()
    with stdout:
        os.set_blocking(stdout.fileno(), False)
        return (stdout.read(_LONGEST_REASON) or b"").decode("utf-8", "replace").strip()


def _end(place: _Place) -> None:
    if place.parent is not None:
        place.parent.channel.close()
        # It forks and does nothing else: what it has forked does not depend on it.
        place.parent.process.kill()
        place.parent.process.wait()
        place.parent = None


def _log_output(process: subprocess.Popen[bytes], name: str) -> None:
    assert process.stdout is not None  # noqa: S101 -- asked for
    with process.stdout as output:
        for line in output:
            log.warning("warm parent of %s: %s", name, line.decode("utf-8", "replace").rstrip())
