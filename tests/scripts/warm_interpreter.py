"""Runs programs one after another in forks of a process that has imported the libraries.

Run by the image's Python, with the libraries as arguments. Each line of stdin is a job:
{"argv": [...], "env": {...}}; each line of stdout is its outcome:
{"code": ..., "stdout": ..., "stderr": ...}.
"""

from __future__ import annotations

import importlib
import json
import os
import runpy
import sys
import tempfile
import traceback
from pathlib import Path


def run(argv: list[str], env: dict[str, str]) -> int:
    """Run ``argv[0]`` as ``python argv[0] ...`` would, and give its exit status."""
    os.environ.update(env)
    sys.argv = argv
    sys.path[0] = str(Path(argv[0]).parent)
    try:
        runpy.run_path(argv[0], run_name="__main__")
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def main() -> None:
    """Serve jobs until stdin ends."""
    # What a fork is spared.
    for library in sys.argv[1:]:
        importlib.import_module(library)
    for line in sys.stdin:
        job = json.loads(line)
        with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
            pid = os.fork()
            if pid == 0:
                os.dup2(stdout.fileno(), 1)
                os.dup2(stderr.fileno(), 2)
                code = run(job["argv"], job["env"])
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
            _, status = os.waitpid(pid, 0)
            outcome = {"code": os.waitstatus_to_exitcode(status)}
            for name, stream in (("stdout", stdout), ("stderr", stderr)):
                stream.seek(0)
                outcome[name] = stream.read().decode()
        print(json.dumps(outcome), flush=True)


if __name__ == "__main__":
    main()
