"""``make up`` and ``make down``: start the whole place in the background, and stop it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from local_stack.errors import LocalStackError
from local_stack.programs import control, kernel, ports
from local_stack.programs.places import PROJECT
from local_stack.programs.processes import interruptible
from local_stack.services import airflow_api, environment

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from local_stack.programs.places import Place

UI_PORT = 8080
SAGEMAKER_PORT = 8090
# The last line that the process in the background says before it is left alone.
READY = "all is healthy"
_STOP_S = 90.0
_AGAIN_S = 120.0
_POLL_S = 0.1


class UpError(LocalStackError):
    """The place did not start; the message says why."""


class DownError(LocalStackError):
    """The place did not stop; the message says what still runs."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a person asked for.

    Attributes:
        port: The UI's port; None takes 8080, or a free one if that is taken.
        sagemaker_port: The embedded SageMaker's; None takes 8090, or a free one.
        sample: A file that is landed instead of each pipeline's own table, if any.
    """

    port: int | None
    sagemaker_port: int | None
    sample: Path | None


def up(place: Place, wanted: Wanted, say: Callable[[str], None]) -> control.Record:
    """Start the place and leave it running.

    Returns:
        What runs. Also if it ran already: then what had ended meanwhile runs again, too.

    Raises:
        PortTakenError: A port that was asked for is in use; nothing was started.
        UpError: Something did not start; all is stopped again, unless it ran already.
        KeyboardInterrupt: A signal asked for the end; all is stopped again.
    """
    running = control.holder(place)
    if running is not None:
        record = _recorded(place)
        if not record.url:
            raise UpError(f"process {running} is just starting it; wait, or stop it: make down")
        say(f"already running (process {running})")
        _wait_until_whole(place, say)
        return _recorded(place)
    port = ports.choose(wanted.port, UI_PORT, purpose="Airflow's UI", option="PORT")
    if wanted.port is None and port != UI_PORT:
        say(f"port {UI_PORT} is in use, Airflow's UI takes {port}")
    sagemaker_port = ports.choose(
        wanted.sagemaker_port,
        SAGEMAKER_PORT,
        purpose="the embedded SageMaker",
        option="SAGEMAKER_PORT",
    )
    if wanted.sagemaker_port is None and sagemaker_port != SAGEMAKER_PORT:
        say(f"port {SAGEMAKER_PORT} is in use, the embedded SageMaker takes {sagemaker_port}")
    begin = time.monotonic()
    with interruptible():
        supervisor = _start_supervisor(
            place,
            *("--port", str(port), "--sagemaker-port", str(sagemaker_port)),
            *(("--sample", str(wanted.sample)) if wanted.sample else ()),
        )
        try:
            is_ready = _relay(supervisor, say)
        except KeyboardInterrupt:
            say("interrupted, stopping what was started")
            supervisor.terminate()
            _relay(supervisor, say)
            supervisor.wait()
            raise
    if not is_ready:
        supervisor.wait()
        raise UpError(f"it did not start. More in {place.logs}")
    say(f"{READY} after {time.monotonic() - begin:.0f} s")
    return _recorded(place)


def down(place: Place, say: Callable[[str], None]) -> None:
    """Stop the place, and whatever an earlier one has left behind.

    Raises:
        DownError: Something does not end.
    """
    running = control.holder(place)
    if running is None:
        left = control.end_leftovers(place)
        say(f"ended what was left: {', '.join(left)}" if left else "nothing runs")
        record = control.read_record(place)
        if record is not None and record.ended:
            say(f"it had stopped by itself: {record.ended}")
        return
    say(f"stopping (process {running}; up to half a minute)")
    os.kill(running, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_S
    started = kernel.start_time(running)
    # It lets go of the place a moment before it ends.
    while control.holder(place) == running or _is_same(running, started):
        if time.monotonic() > deadline:
            os.kill(running, signal.SIGKILL)
            left = control.end_leftovers(place)
            raise DownError(
                f"process {running} did not stop within {_STOP_S:.0f} s and was killed, with "
                f"{', '.join(left) or 'nothing left behind'}; see {supervisor_log(place)}"
            )
        time.sleep(_POLL_S)
    say("stopped")


def sagemaker_url(place: Place) -> str:
    """Return where the embedded SageMaker of a running place is.

    Raises:
        UpError: The place does not run, or is still starting.
    """
    if control.holder(place) is None:
        raise UpError("the place does not run; start it with: make up")
    url = _recorded(place).sagemaker_url
    if not url:
        raise UpError("the place is still starting")
    return url


def supervisor_log(place: Place) -> Path:
    """Return the log of the process that runs the place."""
    return place.logs / "supervisor.log"


def _start_supervisor(place: Place, *arguments: str) -> subprocess.Popen[str]:
    log = supervisor_log(place)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as errors:
        return subprocess.Popen(
            (
                *(sys.executable, "-m", "local_stack"),
                *("--project", str(place.project), "--state", str(place.state)),
                *("supervise", *arguments),
            ),
            env=environment.inherited(os.environ),
            cwd=PROJECT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
            # Until all is healthy it lives and dies with this process.
            preexec_fn=kernel.before_exec(signal.SIGTERM, None),  # noqa: PLW1509 - no threads
        )


def _wait_until_whole(place: Place, say: Callable[[str], None]) -> None:
    """Wait for what the process in the background starts again."""
    give_up = time.monotonic() + _AGAIN_S
    said: list[str] = []
    while lacking := _lacking(_recorded(place)):
        if lacking != said:
            say(f"waiting for what has ended and is started again: {', '.join(lacking)}")
            said = lacking
        if time.monotonic() > give_up:
            raise UpError(
                f"not running after {_AGAIN_S:.0f} s: {', '.join(lacking)}. Why is in"
                f" {supervisor_log(place)}; all else goes on"
            )
        time.sleep(_POLL_S)


def _lacking(record: control.Record) -> list[str]:
    gone = [
        name
        for name, (pid, started) in record.programs.items()
        if (kernel.start_time(pid) or "") != started
    ]
    # One that has just been started does not answer yet.
    gone += [] if airflow_api.unhealthy(record.url) is not None else ["api-server"]
    gone += [] if ports.answers(record.sagemaker_url) else ["local-sagemaker"]
    return sorted({*gone})


def _relay(supervisor: subprocess.Popen[str], say: Callable[[str], None]) -> bool:
    """Pass on what it says until all is healthy (True) or it has ended (False)."""
    for line in supervisor.stdout or ():
        if line.rstrip("\n") == READY:
            return True
        say(line.rstrip("\n"))
    return False


def _recorded(place: Place) -> control.Record:
    record = control.read_record(place)
    if record is None:
        raise UpError(f"the place runs, but {place.control} does not tell where")
    return record


def _is_same(pid: int, started: str | None) -> bool:
    return started is not None and kernel.start_time(pid) == started
