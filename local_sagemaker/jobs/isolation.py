"""Which kind of isolation the kernel grants; asked once, by trying."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import tempfile
from pathlib import Path

_SUPERVISOR = Path(__file__).with_name("supervisor.py")
# The best first. An unprivileged user gets namespaces only inside of a user namespace.
_KINDS = ("processes", "user+processes", "mounts", "user+mounts")

log = logging.getLogger(__name__)


def supervisor_command(job: dict[str, object]) -> list[str]:
    """Return the command that runs a job; supervisor.py describes its members."""
    # -I -S: neither the caller's environment nor installed packages may reach it.
    return [sys.executable, "-I", "-S", str(_SUPERVISOR), json.dumps(job)]


def probe_isolation() -> str:
    """Return the best isolation that works here, a value of the supervisor's ``isolation``."""
    for kind in _KINDS:
        with tempfile.TemporaryDirectory(prefix="local-sagemaker-") as name:
            folder = Path(name)
            for part in ("ml", "stage"):
                (folder / part).mkdir()
            (folder / "ml" / "probe").touch()
            command = supervisor_command(
                {
                    "command": ["/bin/sh", "-c", "test -e /opt/ml/probe && test -d /proc/self"],
                    "folder": name,
                    "server": os.getpid(),
                    "isolation": kind,
                    "ml": str(folder / "ml"),
                    "stage": str(folder / "stage"),
                }
            )
            tried = subprocess.run(command, capture_output=True, check=False)  # noqa: S603
        if tried.returncode == 0:
            return kind
        log.debug("isolation %s: %s", kind, tried.stderr.decode("utf-8", "replace")[-500:])
    log.warning(
        "The kernel grants no private mount namespace: /opt/ml is rewritten in arguments and"
        " variables, and a script that spells it out will not find it."
    )
    return "none"
