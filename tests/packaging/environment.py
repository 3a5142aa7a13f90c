"""An environment with a wheel, what the wheel asks for, and nothing else of the project's."""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from importlib.metadata import Distribution, distribution, distributions
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ROOT = Path(__file__).resolve().parents[2]
_BUILD = """
import sys, tomllib
from importlib import import_module
backend = tomllib.load(open("pyproject.toml", "rb"))["build-system"]["build-backend"]
print(import_module(backend).build_wheel(sys.argv[1]))
"""


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment."""

    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def packages(self) -> Path:
        return self.folder / "lib" / "python{}.{}".format(*sys.version_info) / "site-packages"

    def run(self, *arguments: str, variables: Mapping[str, str], folder: Path) -> str:
        """Run its Python to success; return what it prints, errors too."""
        ended = subprocess.run(
            [self.python, *arguments],
            env=variables,
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        assert ended.returncode == 0, ended.stdout[-5000:]
        return ended.stdout


def build_wheel(folder: Path, *, source: Path = ROOT) -> Path:
    """Build the wheel with the backend that pyproject.toml names, which is installed."""
    built = subprocess.run(
        [sys.executable, "-c", _BUILD, str(folder)],
        cwd=source,
        capture_output=True,
        text=True,
        check=True,
    )
    return folder / built.stdout.splitlines()[-1]


def new_environment(folder: Path, wheel: Path, *extras: str) -> Environment:
    """Make one, install the wheel, and link what the wheel asks for from this environment."""
    venv.create(folder, symlinks=True)
    made = Environment(folder)
    uv = shutil.which("uv") or str(ROOT / ".local" / "uv" / "bin" / "uv")
    install = (uv, "pip", "install", "--quiet", "--offline", "--no-deps", "--python")
    subprocess.run([*install, made.python, wheel], check=True)
    name = wheel.name.partition("-")[0]
    (installed,) = Distribution.discover(name=name, path=[str(made.packages)])
    _link(_asked_for(installed, extras), made.packages)
    return made


def _asked_for(installed: Distribution, extras: Iterable[str]) -> list[Distribution]:
    found: dict[str, Distribution] = {}
    seen = set()
    waiting = [(text, extra) for extra in ("", *extras) for text in installed.requires or ()]
    while waiting:
        text, extra = waiting.pop()
        if (text, extra) in seen:
            continue
        seen.add((text, extra))
        wanted = Requirement(text)
        if wanted.marker and not wanted.marker.evaluate({"extra": extra}):
            continue
        one = found[canonicalize_name(wanted.name)] = distribution(wanted.name)
        assert wanted.specifier.contains(one.version, prereleases=True), (text, one.version)
        waiting += [(more, name) for name in ("", *wanted.extras) for more in one.requires or ()]
    return [*found.values()]


def _link(needed: Iterable[Distribution], packages: Path) -> None:
    # A folder is linked as a whole, unless a package that is not needed has files in it as well.
    wanted = {file: str(one.locate_file("")) for one in needed for file in _files(one)}
    shared = {""}
    for file in {file for one in distributions() for file in _files(one)} - wanted.keys():
        folder = file.rpartition("/")[0]
        while folder not in shared:
            shared.add(folder)
            folder = folder.rpartition("/")[0]
    links = {}
    for file, place in wanted.items():
        path, folder = file, file.rpartition("/")[0]
        while folder not in shared:
            path, folder = folder, folder.rpartition("/")[0]
        links[path] = place
    for path, place in links.items():
        target = packages / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(f"{place}/{path}")


def _files(installed: Distribution) -> list[str]:
    lines = (installed.read_text("RECORD") or "").splitlines()
    paths = [line.split(",")[0].strip('"') for line in lines]
    # Above the folder lie programs.
    return [path for path in paths if not path.startswith("../") and "__pycache__/" not in path]
