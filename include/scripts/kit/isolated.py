"""Another model's code in a process of its own: it may crash, hang or lie, and the job goes on.

Where the job runs as root, as SageMaker's containers do, the process is nobody's: it can write to
its own scratch folder alone, and signal no other process. Where it does not, or that user may not
start this Python or not enter that folder, what keeps them apart is that the process comes after
all else and has its own folder; a hostile one could still harm.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, Any

from kit import champion_process as process

if TYPE_CHECKING:
    from collections.abc import Mapping

NOBODY = 65534
LONGEST_REASON, LONGEST_LOG = 500, 4_000
LARGEST_ANSWER = 256 * 1024**2
_SECRET = re.compile(r"^AWS_|TOKEN|SECRET|PASSWORD|CREDENTIAL", re.IGNORECASE)


class UnscoredError(Exception):
    """There are no predictions.

    Attributes:
        outcome: ``none``, ``gone``, ``cannot_be_loaded``, ``other_columns`` or ``failed``.
        reason: Why, in one line of at most 500 characters.
    """

    def __init__(self, outcome: str, reason: str) -> None:
        super().__init__(reason)
        self.outcome = outcome
        self.reason = reason


def ask(folder: Path, module: str, rows: Mapping[str, Any], *, seconds: float) -> list[Any]:
    """Let a model predict test rows.

    Args:
        folder: A scratch folder with the unpacked archive in its folder ``archive``.
        module: The name of the module whose ``load`` makes a model of that folder, and whose
            ``ask`` gives the model's predictions for ``rows``.
        rows: What ``ask`` is given; JSON.
        seconds: After so many the process is ended.

    Returns:
        The predictions, whatever they are.

    Raises:
        UnscoredError: There are none.
    """
    scripts = folder / "scripts"
    here = Path(__file__).resolve().parents[1]
    # Copied, as nobody may be unable to read the job's own.
    shutil.copytree(here, scripts, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    (folder / process.REQUEST).write_text(json.dumps({"module": module, "rows": rows}))
    command = [sys.executable, "-m", "kit.champion_process", str(folder)]
    environment = {
        **{name: value for name, value in os.environ.items() if not _SECRET.search(name)},
        **dict.fromkeys(("HOME", "TMPDIR"), str(folder)),
        "PYTHONPATH": str(scripts),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    # The log is no file of the folder: the process may put anything in the place of one.
    with TemporaryFile() as log:
        started = _start(command, folder, env=environment, stdout=log, stderr=log)
        try:
            code: int | None = started.wait(seconds)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            # What it has started goes with it.
            with suppress(ProcessLookupError):
                os.killpg(started.pid, signal.SIGKILL)
            started.wait()
        said = _tail(log)
    for line in said.splitlines():
        print(f"champion: {line}", flush=True)
    return _answer(folder, code, said=said, seconds=seconds)


def one_line(reason: str, folder: Path | None = None) -> str:
    """Return a reason as the report has it: without what differs from job to job."""
    told = reason
    if folder is not None:
        told = told.replace(f"{folder / process.ARCHIVE}/", "").replace(str(folder), "scratch")
    told = re.sub(r"\b0x[0-9a-f]+", "0x…", " ".join(told.split()))
    shown = "".join(c if c.isprintable() else repr(c)[1:-1] for c in told[: LONGEST_REASON + 1])
    return shown if len(shown) <= LONGEST_REASON else shown[: LONGEST_REASON - 2] + " …"


def _start(command: list[str], folder: Path, **settings: Any) -> subprocess.Popen[bytes]:
    settings |= {"cwd": folder, "stdin": subprocess.DEVNULL, "start_new_session": True}
    if os.geteuid() == 0:
        try:
            _check_reach(folder)
            for path in (folder, *folder.rglob("*")):
                os.chown(path, NOBODY, NOBODY)
            return subprocess.Popen(command, user=NOBODY, group=NOBODY, extra_groups=[], **settings)  # noqa: S603 -- no shell
        except OSError as error:
            print(f"the champion runs as this job's own user: {error}", flush=True)
    return subprocess.Popen(command, **settings)  # noqa: S603 -- no shell


def _check_reach(folder: Path) -> None:
    closed = [path for path in folder.resolve().parents if not path.stat().st_mode & stat.S_IXOTH]
    if closed:
        raise PermissionError(f"{closed[-1]} is closed to others")


def _answer(folder: Path, code: int | None, *, said: str, seconds: float) -> list[Any]:
    is_loaded = (folder / process.LOADED).exists()
    outcome = process.FAILED if is_loaded else process.CANNOT_BE_LOADED
    when = "while it predicted" if is_loaded else "before its model was loaded"
    if code is None:
        raise UnscoredError(outcome, f"its process was ended after {seconds:g} s, {when}")
    content = None if code else _read(folder / process.ANSWER)
    if content is None:
        how = f"with code {code}" if code >= 0 else f"by signal {-code}"
        last = said.strip().rpartition("\n")[2]
        words = f"; its last words: {last}" if last else ""
        raise UnscoredError(
            outcome, one_line(f"its process ended {how}, without an answer, {when}{words}", folder)
        )
    try:
        answer = json.loads(content)
        if "predictions" in answer and isinstance(answer["predictions"], list):
            return list(answer["predictions"])
        outcome, reason = answer["outcome"], one_line(str(answer["reason"]), folder)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise UnscoredError(outcome, f"it answers with no predictions: {error}") from error
    known = {process.CANNOT_BE_LOADED, process.OTHER_COLUMNS, process.FAILED}
    raise UnscoredError(outcome if outcome in known else process.FAILED, reason)


def _read(path: Path) -> bytes | None:
    """Read what the process left, if that is a file and not too large a one."""
    try:
        # Neither waits at a pipe nor follows a link.
        opened = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    with os.fdopen(opened, "rb") as file:
        found = os.fstat(opened)
        is_usable = stat.S_ISREG(found.st_mode) and found.st_size <= LARGEST_ANSWER
        return file.read(LARGEST_ANSWER) if is_usable else None


def _tail(log: IO[bytes]) -> str:
    log.seek(max(0, log.seek(0, os.SEEK_END) - LONGEST_LOG))
    text = log.read(LONGEST_LOG).decode("utf-8", "replace")
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in text)
