"""What only the kernel can promise about processes: who dies with whom, who runs as whom.

All of it is Linux's. On other systems a killed parent leaves its children to their own devices;
an orderly stop works everywhere.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

_LINUX = sys.platform == "linux"
_LIBC = ctypes.CDLL(None, use_errno=True) if _LINUX else None
# Numbers of <linux/prctl.h> and <linux/capability.h>.
_PR_SET_PDEATHSIG = 1
_PR_SET_KEEPCAPS = 8
_PR_SET_CHILD_SUBREAPER = 36
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_CAP_VERSION_3 = 0x20080522
_CAP_DAC_OVERRIDE = 1
_CAP_DAC_READ_SEARCH = 2


class KernelError(OSError):
    """The kernel refused what a process asked for."""


@dataclass(frozen=True, slots=True)
class Account:
    """An account of this machine that a program runs under in place of root.

    Attributes:
        name: Its name.
        user: Its user id.
        group: Its group id.
    """

    name: str
    user: int
    group: int


class _CapabilityHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _CapabilitySets(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def account_named(*names: str) -> Account | None:
    """Return the first of these accounts that exists and is not root."""
    for name in names:
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            if entry.pw_uid != 0:
                return Account(name, entry.pw_uid, entry.pw_gid)
    return None


def before_exec(death_signal: signal.Signals, account: Account | None) -> Callable[[], None]:
    """Return what a new process does before it becomes its program.

    Args:
        death_signal: What the process gets when its parent dies.
        account: The account to change to, if any.
    """
    parent = os.getpid()

    def prepare() -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        if account is not None:
            _change_to(account)
        # A change of account clears it, so it comes last.
        set_death_signal(death_signal)
        if os.getppid() != parent:
            os._exit(1)

    return prepare


def set_death_signal(number: int) -> None:
    """Ask for a signal when the parent process dies; 0 asks for none."""
    _prctl(_PR_SET_PDEATHSIG, number)


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent ends."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def reap_orphans(own: Collection[int]) -> None:
    """Take leave of adopted children that have ended; ``own`` are waited for elsewhere."""
    if not hasattr(os, "waitid"):
        return
    with contextlib.suppress(ChildProcessError):
        while ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            if ended.si_pid in own:
                return
            os.waitpid(ended.si_pid, os.WNOHANG)


def end_descendants(grace_s: float = 5.0) -> None:
    """End every process that descends from this one: SIGTERM, then SIGKILL."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + grace_s
        while remaining := descendants(os.getpid()):
            for pid in remaining:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            reap_orphans(())
            if time.monotonic() > deadline:
                break
            time.sleep(0.05)


def descendants(ancestor: int) -> list[int]:
    """Return the ids of all processes below one, nearest first."""
    children = _children_of()
    found: list[int] = []
    generation = children.get(ancestor, [])
    while generation:
        found += generation
        generation = [pid for parent in generation for pid in children.get(parent, [])]
    return found


def start_time(pid: int) -> str | None:
    """Return when a process started, in the kernel's ticks, or None if there is none.

    Together with the id this names a process for good, although ids are used again.
    """
    fields = _stat(pid)
    return None if fields is None or fields[0] == "Z" else fields[19]


def session(leader: int, started: str) -> list[int]:
    """Return the living processes of a session, given its leader's id and start time.

    The leader itself may be gone. If its id is another process's by now, so is the session.
    """
    present = start_time(leader)
    if present is not None and present != started:
        return []
    return [
        pid for pid, fields in _table().items() if fields[3] == str(leader) and fields[0] != "Z"
    ]


def _children_of() -> dict[int, list[int]]:
    children: dict[int, list[int]] = {}
    for pid, fields in _table().items():
        children.setdefault(int(fields[1]), []).append(pid)
    return children


def _table() -> dict[int, list[str]]:
    if not _LINUX:
        return {}
    pids = (int(folder.name) for folder in Path("/proc").glob("[1-9]*"))
    return {pid: fields for pid in pids if (fields := _stat(pid)) is not None}


def _stat(pid: int) -> list[str] | None:
    # /proc/<pid>/stat from the third field on: state, parent, group, session … start time.
    # The program's name, in parentheses, may hold spaces and parentheses itself.
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def _change_to(account: Account) -> None:
    """Change to an account, keeping only the right to enter folders that root may enter.

    A project below /root is closed to every other account, and opening it up would change
    folders that are not the project's.
    """
    capability = _kept_capability()
    _prctl(_PR_SET_KEEPCAPS, 1)
    os.setgroups([])
    os.setresgid(account.group, account.group, account.group)
    os.setresuid(account.user, account.user, account.user)
    if capability is None or _LIBC is None:
        return
    mask = 1 << capability
    header = _CapabilityHeader(_CAP_VERSION_3, 0)
    sets = (_CapabilitySets * 2)(_CapabilitySets(mask, mask, mask), _CapabilitySets(0, 0, 0))
    if _LIBC.capset(ctypes.byref(header), sets) != 0:
        raise KernelError(ctypes.get_errno(), f"capset: {os.strerror(ctypes.get_errno())}")
    _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability)


def _kept_capability() -> int | None:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapPrm:"):
            permitted = int(line.split()[1], 16)
            for capability in (_CAP_DAC_READ_SEARCH, _CAP_DAC_OVERRIDE):
                if permitted >> capability & 1:
                    return capability
    return None


def _prctl(option: int, *arguments: int) -> None:
    if _LIBC is None:
        return
    padded = [ctypes.c_ulong(value) for value in (*arguments, 0, 0, 0, 0)[:4]]
    if _LIBC.prctl(option, *padded) != 0:
        number = ctypes.get_errno()
        raise KernelError(number, f"prctl({option}): {os.strerror(number)}")
