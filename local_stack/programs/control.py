"""Which process runs a place, and what a place that was cut short has left behind.

The answer is a lock that the kernel takes back when its holder dies, not a process id in a file:
after a crash or a reboot that id may be another program's.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from local_stack.errors import LocalStackError
from local_stack.programs import kernel
from local_stack.programs.keys import write_private

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from local_stack.programs.places import Place
    from local_stack.programs.processes import Child

_PATIENCE_S = 2.0
_POLL_S = 0.05


class AlreadyRunningError(LocalStackError):
    """Another process runs this place."""


@dataclass(frozen=True, slots=True)
class Record:
    """What the process that runs a place writes down about it.

    Attributes:
        boot: The machine's boot; process ids of an earlier one mean nothing.
        programs: Process id and start time of each program, by name.
        url: Airflow's UI, once all is healthy.
        sagemaker_url: The embedded SageMaker, likewise.
        snapshots: The folders of the snapshots that were landed, likewise.
        snapshot: The date of the first of them.
        dags: The ids of the DAGs, likewise.
        paused: Those among them that a person has paused.
        ended: Why the place stopped, if it did so by itself.
    """

    boot: str
    programs: dict[str, tuple[int, str]]
    url: str = ""
    sagemaker_url: str = ""
    snapshots: tuple[str, ...] = ()
    snapshot: str = ""
    dags: tuple[str, ...] = ()
    paused: tuple[str, ...] = ()
    ended: str = ""


@contextlib.contextmanager
def hold(place: Place) -> Iterator[None]:
    """Be the one process that runs the place.

    Raises:
        AlreadyRunningError: Another one is.
    """
    place.control.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _lock_file(place).open("a+") as file:
        # Somebody who merely asks holds it for a moment, too.
        give_up = time.monotonic() + _PATIENCE_S
        while not _locked(file.fileno(), fcntl.LOCK_EX):
            if time.monotonic() > give_up:
                raise AlreadyRunningError(f"process {holder(place)} runs the place already")
            time.sleep(_POLL_S)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)


def holder(place: Place) -> int | None:
    """Return the id of the process that runs the place, or None if none does."""
    try:
        file = _lock_file(place).open()
    except FileNotFoundError:
        return None
    with file:
        give_up = time.monotonic() + _PATIENCE_S
        while not _locked(file.fileno(), fcntl.LOCK_SH):
            file.seek(0)
            # Empty for the moment between taking the lock and writing the id.
            if text := file.read():
                return int(text)
            if time.monotonic() > give_up:
                raise AlreadyRunningError(f"{file.name} is locked, but names no process")
            time.sleep(_POLL_S)
    return None


def record_of(children: Iterable[Child]) -> Record:
    """Return the record of programs that run."""
    programs = {c.program.name: (c.pid, kernel.start_time(c.pid) or "") for c in children}
    return Record(boot=boot_id(), programs=programs)


def write_record(place: Place, record: Record) -> None:
    """Write down what runs."""
    write_private(_record_file(place), json.dumps(asdict(record), indent=1))


def read_record(place: Place) -> Record | None:
    """Read what runs, or ran last."""
    try:
        text = _record_file(place).read_text()
    except FileNotFoundError:
        return None
    record = Record(**json.loads(text))
    return replace(
        record,
        programs={name: (pid, started) for name, (pid, started) in record.programs.items()},
        snapshots=tuple(record.snapshots),
        dags=tuple(record.dags),
        paused=tuple(record.paused),
    )


def boot_id() -> str:
    """Return what names this boot of the machine, or nothing where the kernel does not tell."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def end_leftovers(place: Place, grace_s: float = 20.0) -> list[str]:
    """End what a place left running whose own process was killed.

    To be called when nobody holds the place.

    Returns:
        The names of the programs of which something was still running.
    """
    record = read_record(place)
    if record is None or record.boot != boot_id():
        return []
    found = {name: kernel.session(*program) for name, program in record.programs.items()}
    names = [name for name, pids in found.items() if pids]
    for number in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + (grace_s if names else 0)
        while time.monotonic() < deadline:
            pids = [p for name in names for p in kernel.session(*record.programs[name])]
            if not pids:
                return names
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            time.sleep(4 * _POLL_S)
    return names


def _locked(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _lock_file(place: Place) -> Path:
    return place.control / "lock"


def _record_file(place: Place) -> Path:
    return place.control / "place.json"
