"""Keeps a warm parent's libraries out of a script's sight until the script imports them.

A script may set variables before it imports the libraries that read them, such as OMP_NUM_THREADS
before numpy. So the moment of the import matters: then the number of threads is made what the
variables say. Scripts that speak of other variables of the libraries are not started warm.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.util
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from importlib.machinery import ModuleSpec

# In the order in which OpenBLAS believes them.
_THREADS = ("OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS", "OMP_NUM_THREADS")
# Read by C code, where nobody sees who asks.
_READ_BY_LIBRARIES = re.compile(
    rb"\b(?:OMP|GOMP|KMP|OPENBLAS|GOTO|MKL|BLIS|NPY|NUMPY|ARROW|JE_ARROW|MIMALLOC)_[A-Z0-9_]+"
)


@dataclass(frozen=True, slots=True)
class Layer:
    """What one import brought along.

    Attributes:
        modules: Those that do not come with Python.
        libraries: The files of the C libraries.
    """

    modules: dict[str, ModuleType]
    libraries: frozenset[str]


def spoken_of(
    files: Iterable[Path], asked: Collection[str], *, layers: Sequence[Layer]
) -> str | None:
    """Return a variable of the libraries that scripts speak of and that cannot be made up for.

    Args:
        files: The scripts.
        asked: The variables that the libraries are known to ask for.
        layers: What is held.
    """
    followed = _THREADS if _thread_limits(layers) else ()
    words = re.compile(rb"\b(?:" + b"|".join(re.escape(os.fsencode(n)) for n in asked) + rb")\b")
    for file in files:
        text = file.read_bytes()
        found = {*_READ_BY_LIBRARIES.findall(text), *(words.findall(text) if asked else ())}
        if other := sorted({os.fsdecode(name) for name in found} - set(followed)):
            return other[0]
    return None


def import_layers(names: Iterable[str]) -> tuple[Layer, ...]:
    """Import modules, one after the other."""
    layers = []
    for name in names:
        known, mapped = set(sys.modules), _mapped_files()
        importlib.import_module(name)
        modules = {
            new: sys.modules[new]
            for new in set(sys.modules) - known
            if new.partition(".")[0] not in sys.stdlib_module_names and _is_held(new)
        }
        layers.append(Layer(modules, _mapped_files() - mapped))
    return tuple(layers)


def _is_held(name: str) -> bool:
    module = sys.modules[name]
    if getattr(module, "__spec__", None) is not None:
        return True
    # A C extension may make modules below itself, which have no specification.
    above = name.rpartition(".")[0]
    return isinstance(module, ModuleType) and above in sys.modules and _is_held(above)


def hold(layers: Sequence[Layer], variables: Mapping[str, str]) -> None:
    """Take modules out of `sys.modules`, until one of them is imported.

    Args:
        layers: A later one uses earlier ones.
        variables: As they were when the libraries were imported.
    """
    for layer in layers:
        for name in layer.modules:
            sys.modules.pop(name, None)
    sys.meta_path.insert(0, _Held(layers, variables))


class _Held(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds the modules that are held, and gives them back with all that they need."""

    def __init__(self, layers: Sequence[Layer], variables: Mapping[str, str]) -> None:
        self._layers = list(layers)
        self._variables = variables
        # Looked for now, as an import would give it back, and all below it.
        self._limits = _thread_limits(layers)
        self._found: dict[str, tuple[ModuleType, ModuleSpec | None]] = {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None, /
    ) -> ModuleSpec | None:
        """Return how to load a module that is held, None for others."""
        del path, target
        number = next((n for n, x in enumerate(self._layers) if fullname in x.modules), None)
        if number is None:
            return None
        # Not by us: were it there already, the import would load it once more.
        module = self._layers[number].modules.pop(fullname)
        self._found[fullname] = module, module.__spec__
        self._give_back(number + 1)
        return importlib.util.spec_from_loader(
            fullname, self, is_package=hasattr(module, "__path__")
        )

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Return the module, which has run already."""
        return self._found[spec.name][0]

    def exec_module(self, module: ModuleType) -> None:
        """Leave the module as it is; the import has put a specification of ours into it."""
        module.__spec__ = self._found.pop(module.__name__)[1]

    def _give_back(self, count: int) -> None:
        given, self._layers = self._layers[:count], self._layers[count:]
        if not self._layers:
            sys.meta_path.remove(self)
        for layer in given:
            for name, module in layer.modules.items():
                sys.modules.setdefault(name, module)
        if self._limits and any(
            os.environ.get(name) != self._variables.get(name) for name in _THREADS
        ):
            _limit_threads(self._limits, frozenset().union(*(x.libraries for x in given)))


def _thread_limits(layers: Sequence[Layer]) -> ModuleType | None:
    found = (layer.modules.get("threadpoolctl") for layer in layers)
    return next((module for module in found if module), None)


def _limit_threads(threadpoolctl: Any, libraries: frozenset[str]) -> None:
    numbers = {name: os.environ.get(name, "") for name in _THREADS}
    wanted = {
        name: int(text)
        for name, text in numbers.items()
        if text.isascii() and text.isdigit() and int(text)
    }
    processors = len(os.sched_getaffinity(0))
    blas = min(processors, next((wanted[name] for name in _THREADS if name in wanted), processors))
    openmp = wanted.get("OMP_NUM_THREADS", processors)
    for library in threadpoolctl.ThreadpoolController().lib_controllers:
        if library.filepath in libraries:
            library.set_num_threads(openmp if library.user_api == "openmp" else blas)


def _mapped_files() -> frozenset[str]:
    lines = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
    return frozenset(fields[5] for line in lines if len(fields := line.split(maxsplit=5)) > 5)
