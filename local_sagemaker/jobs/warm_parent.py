"""Imports an image's libraries once, and forks jobs; a program of its own, in the image's Python.

The server starts it once an image, with one argument in JSON: `preimport` (modules) and `channel`
(the number of a socket). It runs no job's code, and ends when the server does.

On the channel it says once "ready", or what keeps it from its work. Then every message
is a job: a byte and two descriptors, of a socket for this job alone and of the job's output. On the
socket the server sends the job in JSON, as supervisor.py describes it, with `script`, and reads two
lines: the number of the job's supervisor, which the server adopts, and "begun" when the script
begins. If the socket ends before that, the script has not begun and will not; the output says why.
"""

from __future__ import annotations

import gc
import json
import os
import socket
import sys
import time
from pathlib import Path

if __name__ == "__main__":  # its own folder's modules must not stand in for others
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from local_sagemaker.jobs.fresh_start import (
    Imported,
    Script,
    begin,
    installations,
    obstacle,
    show_as,
)
from local_sagemaker.jobs.held_imports import import_layers
from local_sagemaker.jobs.supervisor import supervise
from local_sagemaker.jobs.warm_toolkit import is_toolkit, keep_a_spare

_ADOPTION_SECONDS = 10.0
# pandas imports pyarrow, whose allocator tidies up in a thread; it knows of forks, and does it in
# the caller's thread where it has none of its own.
_ARROWS_THREAD = "jemalloc_bg_thd"
# Modules that look through all variables for those that begin so, and heed no others.
_LOOK_THROUGH = {"tqdm.utils": b"TQDM_"}


class _Recorded(dict[bytes, bytes]):
    """Variables, and which of them were asked for."""

    def __init__(self, variables: dict[bytes, bytes]) -> None:
        super().__init__(variables)
        self.asked: set[bytes] = set()

    def __getitem__(self, name: bytes) -> bytes:
        # It is asked by os.environ, that by its view of all variables, and that by the module.
        asker = sys._getframe(3).f_globals.get("__name__", "")  # noqa: SLF001
        if name.startswith(_LOOK_THROUGH.get(asker, b"")):
            self.asked.add(name)
        return super().__getitem__(name)


def main() -> int:
    """Import, then fork until the channel ends."""
    settings = json.loads(sys.argv[1])
    channel = socket.socket(fileno=settings["channel"])
    del sys.path[0]
    try:
        imported = _import(settings["preimport"])
        _check_fit(channel)
    except Exception as error:  # a library may raise anything
        channel.send(f"{type(error).__name__}: {error}".encode())
        return 1
    # What is here stays; a job's collector need not look at it, nor copy its pages.
    gc.collect()
    gc.freeze()
    channel.send(b"ready")
    while True:
        message, descriptors, _, _ = socket.recv_fds(channel, 1, 2)
        if not message:
            return 0
        _fork(channel, descriptors, imported=imported)
        for descriptor in descriptors:
            os.close(descriptor)


def _import(names: list[str]) -> Imported:
    variables = dict(os.environ)
    # There is no public way to learn what is asked for.
    held = os.environ._data  # type: ignore[attr-defined]  # noqa: SLF001
    recorded = _Recorded(held)
    os.environ._data = recorded  # type: ignore[attr-defined]  # noqa: SLF001
    try:
        layers = import_layers(names)
    finally:
        os.environ._data = held  # type: ignore[attr-defined]  # noqa: SLF001
    return Imported(
        environment=variables,
        asked=frozenset(os.fsdecode(name) for name in recorded.asked),
        path=tuple(sys.path),
        modules=frozenset(name.partition(".")[0] for name in sys.modules)
        - {"__main__", "local_sagemaker"},
        layers=layers,
        installed=installations(sys.path),
    )


def _check_fit(channel: socket.socket) -> None:
    # OpenBLAS ends its threads before a fork, and starts them again when they are needed.
    if not (child := os.fork()):
        os._exit(0)
    os.waitpid(child, 0)
    threads = [file.read_text().strip() for file in Path("/proc/self/task").glob("*/comm")]
    if len(threads) - threads.count(_ARROWS_THREAD) > 1:
        raise RuntimeError("the libraries have started threads, which a fork would lose")
    opened = {int(name) for name in os.listdir("/proc/self/fd")}  # noqa: PTH208
    for number in opened - {0, 1, 2, channel.fileno()}:
        held = Path(f"/proc/self/fd/{number}")
        if held.is_symlink():  # the listing's own is gone
            raise RuntimeError(f"the libraries hold {held.readlink()} open")
    show_as(sys.orig_argv, os.environ, name=Path(sys.executable).name)


def _fork(channel: socket.socket, descriptors: list[int], *, imported: Imported) -> None:
    if child := os.fork():
        os.waitpid(child, 0)
        return
    # This first child ends at once, so that the server adopts the second as its own.
    if os.fork():
        os._exit(0)
    code = 1
    try:
        channel.close()
        code = _supervise(*descriptors, imported=imported)
    except SystemExit:  # a script has ended in this process
        raise
    except BaseException as error:  # no child may return into the parent's loop
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
    os._exit(code)


def _supervise(answers: int, output: int, *, imported: Imported) -> int:
    os.setsid()
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    with open(answers, encoding="utf-8", closefd=False) as file:
        job = json.loads(file.read())
    script = Script(**{**job["script"], "command": tuple(job["script"]["command"])})
    # Whatever happens now, the server finds this process by the job's mark.
    show_as(sys.orig_argv, script.environment, name=script.name)
    deadline = time.monotonic() + _ADOPTION_SECONDS
    while os.getppid() != job["server"]:
        if time.monotonic() > deadline:
            return 1
        time.sleep(0.001)
    os.write(answers, f"{os.getpid()}\n".encode())
    if reason := obstacle(script, imported):
        print(reason, file=sys.stderr)
        return 1
    return supervise(job, lambda: _begin(script, answers, imported=imported))


def _begin(script: Script, answers: int, *, imported: Imported) -> None:
    def ready() -> None:
        os.write(answers, b"begun\n")
        os.close(answers)

    if is_toolkit(script):
        keep_a_spare(imported, answers)
    begin(script, imported, ready=ready)


if __name__ == "__main__":
    try:
        code = main()
    except SystemExit as ended:
        code = int(str(ended.code))
    # After an interrupt that nobody caught, the interpreter kills itself with the signal, unless it
    # is told a code.
    if code and getattr(sys, "last_type", None) is not KeyboardInterrupt:
        sys.exit(code)
