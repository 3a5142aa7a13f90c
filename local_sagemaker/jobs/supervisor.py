"""Runs a job's command so that nothing of it outlives it; a program of its own.

The server starts it once a job, in a new session, with one argument in JSON: `command`, `folder`
(the working folder), `server` (the process that must stay alive), `isolation`, and for isolation
other than "none" `ml` (the folder to show at /opt/ml), `stage` (an empty folder) and, if the job
has hosts with names, `hosts` (the file to show at /etc/hosts).

Isolation: "processes" is a private mount namespace and a private process namespace, whose end is
the end of every process in it; "mounts" is a private mount namespace alone; "none" is neither, and
the job's orphans are found as children of this process, which adopts them. "user+…" enters a user
namespace first, which an unprivileged user needs.

Signals: SIGTERM has been sent to the whole group by the server; this process waits for the group's
members to end. SIGHUP ends everything at once; it also comes from the kernel when the server dies.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from pathlib import Path

TYPE_CHECKING = False  # type checkers know the name; importing it takes as long as all the rest
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_BLOCKED = {signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP}
_CONTAINER_ROOT = Path("/opt/ml")
_HOSTS_FILE = Path("/etc/hosts")

# From Linux's headers: sched.h, mount.h and prctl.h.
_CLONE_NEWNS, _CLONE_NEWUSER, _CLONE_NEWPID = 0x00020000, 0x10000000, 0x20000000
_MS_BIND, _MS_REC, _MS_PRIVATE = 0x1000, 0x4000, 0x40000
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36


def main() -> int:
    """Run the job that the first argument describes; return its exit code."""
    job = json.loads(sys.argv[1])
    return supervise(job, lambda: _execute(job))


def supervise(job: dict[str, Any], start: Callable[[], None]) -> int:
    """Run a job under this process, the leader of its session; return its exit code.

    Args:
        job: See above; `command` and `folder` are left to `start`.
        start: Becomes the job's command, in a process of its own.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _BLOCKED)
    _prctl(_PR_SET_PDEATHSIG, signal.SIGHUP)
    if os.getppid() != job["server"]:  # it died before the line above
        return 1
    isolation = job["isolation"].removeprefix("user+")
    if isolation == "none":
        return _follow_command(start)
    own_processes = isolation == "processes"
    _unshare(
        _CLONE_NEWNS | (_CLONE_NEWPID if own_processes else 0),
        as_user=isolation != job["isolation"],
    )
    if own_processes and (first := os.fork()):
        return _follow_namespace(first)
    if own_processes:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    _mount("none", Path("/"), flags=_MS_REC | _MS_PRIVATE)
    _show_at_container_root(Path(job["ml"]), Path(job["stage"]))
    if "hosts" in job:
        _bind(Path(job["hosts"]), _HOSTS_FILE)
    if own_processes:
        _mount("proc", Path("/proc"), kind="proc")
    return _follow_command(start)


def _follow_namespace(first: int) -> int:
    # The parent of a process namespace stays outside of it, and only passes on how it ended.
    while True:
        received = signal.sigwait(_BLOCKED)
        if received == signal.SIGHUP:
            os.kill(first, signal.SIGKILL)
        ended, status = os.waitpid(first, os.WNOHANG)
        if ended:
            return _exit_code(status)


def _follow_command(start: Callable[[], None]) -> int:
    adopt_orphans()
    child = os.fork()
    if not child:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _BLOCKED)
        start()
    code = None
    stopping = False
    while code is None or (stopping and _group_lives()):
        received = signal.sigwait(_BLOCKED)
        if received == signal.SIGHUP:
            code = 128 + signal.SIGKILL if code is None else code
            break
        stopping = stopping or received == signal.SIGTERM
        for ended, status in _reap():
            if ended == child:
                code = _exit_code(status)
    # As the first process of a namespace our end is everybody's; else we end them one by one.
    if os.getpid() != 1:
        _end_children()
    return code


def adopt_orphans() -> None:
    """Make this process the parent of whatever its descendants leave behind."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def _execute(job: dict[str, Any]) -> None:
    command = job["command"]
    # Python ignores SIGPIPE, and what is ignored stays so over exec.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        os.chdir(job["folder"])
        os.execvp(command[0], command)  # noqa: S606 -- the job's own command, and no shell
    except OSError as error:
        # As a container runtime does: 127 not found, 126 not executable.
        print(f"exec {command[0]!r}: {error.strerror}", file=sys.stderr, flush=True)
        os._exit(127 if isinstance(error, FileNotFoundError) else 126)


def _reap() -> list[tuple[int, int]]:
    ended = []
    try:
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            ended.append(found)
    except ChildProcessError:
        pass
    return ended


def _children() -> list[int]:
    found = []
    own = str(os.getpid())
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            status = (entry / "stat").read_text()
        except OSError:
            continue
        # The name, in parentheses, may hold anything; state and parent follow it.
        state, parent = status.rpartition(")")[2].split()[:2]
        if parent == own and state != "Z":
            found.append(int(entry.name))
    return found


def _group_lives() -> bool:
    # A process that left the session, a daemon, is not waited for; it is ended.
    for child in _children():
        try:
            if os.getsid(child) == os.getsid(0):
                return True
        except ProcessLookupError:
            continue
    return False


def _end_children() -> None:
    # Orphans become our children as their parents end, hence the loop.
    while children := _children():
        for child in children:
            try:
                os.kill(child, signal.SIGKILL)
            except ProcessLookupError:
                continue
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _exit_code(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return 128 - code if code < 0 else code


def _show_at_container_root(ml: Path, stage: Path) -> None:
    if _CONTAINER_ROOT.is_dir():
        _bind(ml, _CONTAINER_ROOT)
        return
    # The host has no /opt/ml, and must not get one: cover /opt with a folder in memory that has
    # the old entries and ours.
    parent = _CONTAINER_ROOT.parent
    _mount("tmpfs", stage, kind="tmpfs")
    for entry in parent.iterdir():
        copy = stage / entry.name
        if entry.is_symlink():
            copy.symlink_to(entry.readlink())
            continue
        copy.mkdir() if entry.is_dir() else copy.touch()
        _bind(entry, copy)
    (stage / _CONTAINER_ROOT.name).mkdir()
    _bind(ml, stage / _CONTAINER_ROOT.name)
    _bind(stage, parent)


def _bind(source: Path, target: Path) -> None:
    _mount(str(source), target, flags=_MS_BIND | _MS_REC)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        _libc().prctl(option, ctypes.c_ulong(value), 0, 0, 0)


def _unshare(flags: int, *, as_user: bool) -> None:
    user, group = os.geteuid(), os.getegid()
    if _libc().unshare(flags | (_CLONE_NEWUSER if as_user else 0)):
        raise OSError(ctypes.get_errno(), "unshare")
    if as_user:
        own = Path("/proc/self")
        (own / "setgroups").write_text("deny")
        (own / "uid_map").write_text(f"{user} {user} 1")
        (own / "gid_map").write_text(f"{group} {group} 1")


def _mount(source: str, target: Path, *, kind: str | None = None, flags: int = 0) -> None:
    encoded = kind.encode() if kind else None
    if _libc().mount(os.fsencode(source), os.fsencode(target), encoded, flags, None):
        number = ctypes.get_errno()
        raise OSError(number, f"mount {source}: {os.strerror(number)}", str(target))


if __name__ == "__main__":
    sys.exit(main())
