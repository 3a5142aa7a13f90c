"""Lets the script that AWS's training toolkit starts be warm, too.

The toolkit starts the script as a process of its own. Before the toolkit begins, its process forks
a spare that has the libraries and nothing of the toolkit's; when the toolkit starts a script with
its own interpreter, the spare becomes that process. Anything else it starts as always.
"""

from __future__ import annotations

import inspect
import json
import os
import socket
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local_sagemaker.jobs.fresh_start import Imported, Script, begin, obstacle

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_PROGRAM = "train"
# The toolkit adds its own import path to the script's, and `begin` follows it.
_FOLLOWED = ("PYTHONPATH",)
# Anything else is started as always.
_PLAIN = {
    "executable": None, "preexec_fn": None, "close_fds": True, "pass_fds": (), "shell": False,
    "p2cread": -1, "c2pwrite": -1, "errwrite": -1, "uid": None, "gid": None, "gids": None,
    "umask": -1, "start_new_session": False, "process_group": -1,
}  # fmt: skip


def is_toolkit(script: Script) -> bool:
    """Return whether a script is the image's own program for training."""
    return script.path == Path(script.interpreter).with_name(_PROGRAM)


def keep_a_spare(imported: Imported, *descriptors: int) -> None:
    """Fork the spare, and let `subprocess` use it once.

    Args:
        imported: What this process was forked from.
        descriptors: Open ones, which the spare must not hold.
    """
    ours, its = socket.socketpair()
    spare = os.fork()
    if not spare:
        ours.close()
        for descriptor in descriptors:
            os.close(descriptor)
        _wait(its, imported)
    its.close()

    def take(script: Script) -> int | None:
        nonlocal spare
        if not spare or obstacle(script, imported, besides=_FOLLOWED):
            return None
        taken, spare = spare, 0
        with ours:
            try:
                ours.sendall(json.dumps(asdict(script)).encode())
                ours.shutdown(socket.SHUT_WR)
                begun = ours.recv(1)
            except OSError:
                begun = b""
        if begun:
            return taken
        os.waitpid(taken, 0)
        return None

    _intercept(take)


def _wait(channel: socket.socket, imported: Imported) -> None:
    def ready() -> None:
        channel.send(b"!")
        channel.close()

    code = 1
    try:
        with channel.makefile("rb") as file:
            received = file.read()
        if received:
            asked = json.loads(received)
            script = Script(**{**asked, "command": tuple(asked["command"])})
            begin(script, imported, ready=ready)
    except SystemExit:  # the script has ended in this process
        raise
    except BaseException as error:  # the spare may not return into the toolkit
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
    os._exit(code)


def _intercept(take: Callable[[Script], int | None]) -> None:
    original = subprocess.Popen
    # There is no public way to start a process in another manner and have it waited for.
    parameters = inspect.signature(original._execute_child)  # type: ignore[attr-defined]  # noqa: SLF001

    class Popen(original):  # type: ignore[misc, valid-type]
        def _execute_child(self, *values: Any) -> None:
            script = _script(parameters.bind(self, *values).arguments)
            taken = script and take(script)
            if not taken:
                super()._execute_child(*values)
                return
            self.pid = taken
            self._child_created = True

    subprocess.Popen = Popen  # type: ignore[misc]


def _script(asked: Mapping[str, Any]) -> Script | None:
    command = asked["args"]
    if any(asked.get(name, value) != value for name, value in _PLAIN.items()):
        return None
    if not isinstance(command, list) or command[:1] != [sys.executable]:
        return None
    at = 2 if command[1:2] == ["--"] else 1
    if len(command) <= at or command[at].startswith("-"):
        return None
    return Script(
        interpreter=sys.executable,
        command=tuple(command),
        at=at,
        name=Path(sys.executable).name,
        environment=dict(os.environ if asked["env"] is None else asked["env"]),
        folder=os.path.abspath(asked["cwd"] or "."),  # noqa: PTH100 -- links stay
    )
