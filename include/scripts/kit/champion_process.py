"""Asks a champion about the test rows, in a process of its own: its code is another's.

``kit.champion`` starts it with a folder that has ``request.json`` and the unpacked archive. It
leaves there ``loaded`` once there is a model, and ``answer.json``: the predictions, or why there
are none. What it prints is the champion's, and goes into the job's log.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any

from kit.failure import BadInputError
from kit.outputs import plain

LOADED, ANSWER, REQUEST, ARCHIVE = "loaded", "answer.json", "request.json", "archive"
CANNOT_BE_LOADED, OTHER_COLUMNS, FAILED = "cannot_be_loaded", "other_columns", "failed"
LARGEST_FILE = 1024**3
_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Load the model, ask it, and leave the answer."""
    folder, scripts = Path(sys.argv[1]), str(Path(__file__).resolve().parents[1])
    _restrict()
    request = json.loads((folder / REQUEST).read_text(encoding="utf-8"))
    asked = importlib.import_module(request["module"])
    # An endpoint has none of this job's scripts; what its archive lacks it shall miss here, too.
    sys.path[:] = [place for place in sys.path if place not in {scripts, str(folder), ""}]
    _write(folder / ANSWER, _answer(asked, folder, request["rows"]))
    sys.stdout.flush()
    sys.stderr.flush()
    # Threads that the champion has left must not hold the job up.
    os._exit(0)


def _answer(asked: Any, folder: Path, rows: dict[str, Any]) -> dict[str, Any]:
    outcome = CANNOT_BE_LOADED
    try:
        model = asked.load(folder / ARCHIVE)
        (folder / LOADED).touch()
        outcome = FAILED
        return {"predictions": asked.ask(model, rows)}
    except BadInputError as error:
        # Of a model that was loaded, the rows are what does not suit it.
        told = OTHER_COLUMNS if outcome == FAILED else outcome
        return {"outcome": told, "reason": str(error)}
    except BaseException as error:
        return {"outcome": outcome, "reason": f"{type(error).__name__}: {error}"}


def _restrict() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE, LARGEST_FILE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        # Where memory runs out it is this process that the kernel ends; and it outlives no job.
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _write(path: Path, answer: dict[str, Any]) -> None:
    try:
        text = json.dumps(answer, default=plain)
    except (TypeError, ValueError, RecursionError) as error:
        text = json.dumps({"outcome": FAILED, "reason": f"its predictions are no JSON: {error}"})
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)


if __name__ == "__main__":
    main()
