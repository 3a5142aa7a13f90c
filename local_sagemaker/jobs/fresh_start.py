"""Makes a forked process what a fresh interpreter is when it begins a script.

Part of the warm parent's program, in the image's own Python. What is decided at an interpreter's
start, and what the imported libraries asked the environment for, cannot be made up for afterwards:
`obstacle` finds out.
"""

from __future__ import annotations

import builtins
import ctypes
import os
import site
import struct
import sys
import sysconfig
import tempfile
import types
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from local_sagemaker.jobs.held_imports import Layer, hold, spoken_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

# Read by the interpreter, the loader, the C library, a C extension or tqdm as they start.
_READ_AT_THE_START = (
    "PYTHON", "LD_", "LANG", "LC_", "TZ", "GLIBC_", "GCONV_", "MALLOC_", "OPENSSL_",
    "OMP_", "GOMP_", "KMP_", "OPENBLAS_", "GOTO_", "MKL_", "BLIS_", "NPY_", "NUMPY_",
    "ARROW_", "JE_ARROW_", "MIMALLOC_", "TQDM_",
)  # fmt: skip
# Read by sysconfig, site and tempfile as the libraries are imported; made up for below.
_MADE_UP_FOR = frozenset({"HOME", "TMPDIR", "TEMP", "TMP"})

# From Linux's prctl.h, and the numbers of fields in /proc/<pid>/stat.
_PR_SET_NAME, _PR_SET_MM, _PR_SET_MM_MAP = 15, 35, 14
_CODE_AND_DATA, _START_STACK = (26, 27, 45, 46, 47), 28

# What the kernel shows of this process as its command line and environment; it reads it from here.
_shown: list[ctypes.Array[ctypes.c_char]] = []


@dataclass(frozen=True, slots=True)
class Script:
    """A script to begin.

    Attributes:
        interpreter: What `sys.executable` says.
        command: The whole command, as a process started cold would have got it.
        at: Where the script is in the command.
        name: Of the process.
        environment: All of its variables.
        folder: Where it works.
    """

    interpreter: str
    command: tuple[str, ...]
    at: int
    name: str
    environment: Mapping[str, str]
    folder: str

    @property
    def path(self) -> Path:
        """Where the script is; absolute if the folder is."""
        return Path(self.folder) / self.command[self.at]


@dataclass(frozen=True, slots=True)
class Imported:
    """What a warm parent has become by its imports.

    Attributes:
        environment: Its variables.
        asked: Variables that the imported libraries asked for.
        path: Where modules are found, without a script's folder.
        modules: The top level names among the imported modules.
        layers: Libraries that a script does not see until it imports them.
        installed: What `installations` said then.
    """

    environment: Mapping[str, str]
    asked: frozenset[str]
    path: tuple[str, ...]
    modules: frozenset[str]
    layers: tuple[Layer, ...]
    installed: Mapping[str, int]


def obstacle(script: Script, imported: Imported, *, besides: Collection[str] = ()) -> str | None:
    """Return why a script would not see a fresh start's effects, if so.

    Args:
        script: What is to be started.
        imported: What it would be forked from.
        besides: Variables whose effect somebody else makes up for.
    """
    file = script.path
    if not file.is_file() or zipfile.is_zipfile(file):
        return f"{file} is not a plain script"
    if installations(imported.path) != imported.installed:
        return "packages were installed since the libraries were imported"
    names = {name for name in script.environment if name.startswith(_READ_AT_THE_START)}
    names |= {name for name in imported.environment if name.startswith(_READ_AT_THE_START)}
    for name in sorted((names | imported.asked) - _MADE_UP_FOR - set(besides)):
        if script.environment.get(name) != imported.environment.get(name):
            return f"{name} is read when a process starts"
    for entry in sorted(file.resolve().parent.iterdir()):
        name = entry.name.partition(".")[0]
        if name in imported.modules and (entry.is_dir() or entry.suffix in {".py", ".pyc", ".so"}):
            return f"{entry.name} stands in for a library that is imported already"
    beside = [file]
    if file.parent != Path(sys.prefix, "bin"):  # there nothing is the job's
        folder = file.resolve().parent
        beside += [*folder.glob("*.py"), *folder.glob("*/*.py")]
    if spoken := spoken_of(beside, imported.asked - _MADE_UP_FOR, layers=imported.layers):
        return f"a script speaks of {spoken}, which libraries read as they are imported"
    return None


def installations(path: Iterable[str]) -> dict[str, int]:
    """Return when the folders of installed packages have changed, in nanoseconds."""
    found = (Path(entry) for entry in path)
    return {str(x): x.stat().st_mtime_ns for x in found if x.name.endswith("-packages")}


def begin(script: Script, imported: Imported, *, ready: Callable[[], None]) -> None:
    """Run a script in this process, and end the process.

    Args:
        script: What to run; there must be no `obstacle`.
        imported: What this process was forked from.
        ready: Called when nothing is left to do but to begin; closes what it needs.
    """
    os.chdir(script.folder)
    os.environ.clear()
    os.environ.update(script.environment)
    show_as(script.command, script.environment, name=script.name)
    _forget_the_parent()
    file = script.path
    sys.executable = script.interpreter
    sys.orig_argv = list(script.command)
    sys.argv = list(script.command[script.at :])
    entries = os.environ.get("PYTHONPATH", "").split(":")
    found = [os.path.abspath(entry) for entry in entries if entry]  # noqa: PTH100 -- as site does
    sys.path[:] = [str(file.resolve().parent), *dict.fromkeys([*found, *imported.path])]
    hold(imported.layers, imported.environment)
    main = types.ModuleType("__main__")
    main.__dict__.update(__builtins__=builtins, __annotations__={})
    sys.modules["__main__"] = main
    libc = ctypes.CDLL(None, use_errno=True)
    libc.fopen.restype = ctypes.c_void_p
    stream = libc.fopen(os.fsencode(file), b"rb")
    if not stream:
        raise OSError(ctypes.get_errno(), "the script cannot be opened", str(file))
    # What the interpreter itself calls: tracebacks, exit codes and `__main__` are its own doing.
    run = ctypes.pythonapi.PyRun_SimpleFileExFlags
    run.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_void_p]
    ready()
    sys.exit(1 if run(stream, os.fsencode(file), 1, None) else 0)


def show_as(command: Collection[str], environment: Mapping[str, str], *, name: str) -> None:
    """Make the kernel show another name, command line and environment of this process.

    The server finds a job's processes by a variable of theirs.

    Raises:
        OSError: The kernel does not let us.
    """
    texts = [b"".join(os.fsencode(word) + b"\0" for word in command)]
    texts.append(b"".join(os.fsencode(f"{key}={value}\0") for key, value in environment.items()))
    buffers = [ctypes.create_string_buffer(text, len(text)) for text in texts]
    bounds = []
    for buffer in buffers:
        start = ctypes.addressof(buffer)
        bounds += [start, start + len(buffer)]
    stat = Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    # The name, of two fields, is cut off with what is before it.
    code_and_data = [int(stat[number - 3]) for number in _CODE_AND_DATA]
    libc = ctypes.CDLL(None, use_errno=True)
    libc.sbrk.restype = ctypes.c_void_p
    libc.sbrk.argtypes = [ctypes.c_ssize_t]
    numbers = [*code_and_data, libc.sbrk(0), int(stat[_START_STACK - 3]), *bounds]
    layout = struct.pack("@12QIi", *numbers, 0, 0, -1)
    if libc.prctl(_PR_SET_MM, _PR_SET_MM_MAP, layout, ctypes.c_ulong(len(layout)), 0):
        raise OSError(ctypes.get_errno(), "the kernel does not let a process change what it shows")
    _shown[:] = buffers
    libc.prctl(_PR_SET_NAME, os.fsencode(name)[:15], 0, 0, 0)


def _forget_the_parent() -> None:
    # `random` starts anew by itself when a process forks.
    if "numpy.random" in sys.modules:
        sys.modules["numpy.random"].seed()
    if "multiprocessing.process" in sys.modules:
        sys.modules["multiprocessing.process"].current_process().authkey = os.urandom(32)
    tempfile.tempdir = None
    site.USER_BASE = site.USER_SITE = None
    site.getusersitepackages()
    sysconfig.get_config_vars()["userbase"] = site.USER_BASE
    for name in [name for name in sys.modules if name.partition(".")[0] == "local_sagemaker"]:
        del sys.modules[name]
