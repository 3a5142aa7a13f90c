"""Finds and ends processes by the mark that every process of a job carries in its environment."""

from __future__ import annotations

import os
import signal
from pathlib import Path

MARK = "LOCAL_SAGEMAKER_JOB"


def end_marked(mark: str) -> list[int]:
    """Kill every process whose mark begins with the given one, until none is left.

    Args:
        mark: A state folder's identity, or that and a job's ARN.

    Returns:
        The processes that were killed.
    """
    killed: list[int] = []
    # A process may start another while we look, hence again until nobody new is found.
    while found := [pid for pid in _marked(mark) if pid not in killed]:
        for pid in found:
            try:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)  # it may be an orphan that this process has adopted
            except (ProcessLookupError, ChildProcessError):
                continue
        killed += found
    return killed


def _marked(mark: str) -> list[int]:
    wanted = f"\0{MARK}={mark}".encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            environment = (entry / "environ").read_bytes()
        except OSError:
            continue  # ended meanwhile, or not ours
        if wanted in b"\0" + environment:
            found.append(int(entry.name))
    return found
