"""Makes the environments that stand for images; needs the standard library alone."""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from local_sagemaker.images import image_table, unfinished_mark

if TYPE_CHECKING:
    from collections.abc import Sequence

RECIPES = Path(__file__).with_name("images")
STAMP = ".installed"
_SIGN_SECONDS = 15.0
_MADE = "made"
# AWS's training toolkits come as source, with a C extension that only MPI clusters use, and an old
# MarkupSafe with one that it can do without: they are not compiled, so that no compiler is needed.
_NOT_COMPILED = ("sagemaker-training", "sagemaker-containers", "markupsafe")
_UNCOMPILED = {"CC": "true", "LDSHARED": "true"}
# Of the caller's shell; they would lead an installer elsewhere, or leave out the byte-code.
_LEFT_OUT = ("PYTHONDONTWRITEBYTECODE", "VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME")


class EnvironmentNotMadeError(Exception):
    """An environment could not be made; says why."""


def default_folder(name: str) -> Path:
    """Return where a part of this program's data lies unless a person says otherwise."""
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data, "local-sagemaker", name)


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the environments that are named; list all if none is; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="local-sagemaker images",
        description="Make the Python environments that stand for SageMaker's images, with the"
        " libraries of the images' own lock files, by uv if it is on the PATH, else by pip. What is"
        " up to date is left alone. Without a name, list them.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="such as sklearn-1.4-2")
    parser.add_argument(
        "--images",
        type=Path,
        default=default_folder("images"),
        metavar="DIR",
        help="the folder of environments (default: %(default)s)",
    )
    parser.add_argument(
        "--torch",
        default="",
        metavar="BUILD",
        help="another build of PyTorch of the same version: a wheel, a folder of wheels or an index"
        " (default: what a folder of PIP_FIND_LINKS has, else the registry's, on Linux with CUDA:"
        " 3 GB to fetch)",
    )
    options = parser.parse_args(arguments)
    known = {image.environment: image.python for image in image_table()}
    if unknown := [name for name in options.names if name not in known]:
        parser.error(f"there is no {', '.join(unknown)}; there are {', '.join(known)}")
    if not options.names:
        _list(options.images)
    try:
        for name in dict.fromkeys(options.names):
            _Making(name, known[name], options.images / name, options.torch).make()
    except (EnvironmentNotMadeError, OSError) as error:
        print(f"images: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("images: interrupted; what was being made is begun anew next time", file=sys.stderr)
        return 130
    return 0


def _list(folder: Path) -> None:
    names: dict[str, list[str]] = {}
    for image in image_table():
        names.setdefault(image.environment, []).extend(image.names)
    for name, images in names.items():
        print(f"{name:16} {_state(folder / name, name):12} {', '.join(images)}")
    print(f"They lie in {folder}. To make one: local-sagemaker images NAME")


def _state(folder: Path, name: str) -> str:
    if not (folder / STAMP).exists():
        return "not made"
    return _MADE if (folder / STAMP).read_text() == _fingerprint(name) else "out of date"


def _fingerprint(name: str) -> str:
    digest = hashlib.sha256()
    recipe = RECIPES / name
    for file in sorted(path for path in recipe.rglob("*") if path.suffix in {".txt", ".py"}):
        digest.update(f"{file.relative_to(recipe)}\0{file.read_text(encoding='utf-8')}\0".encode())
    return digest.hexdigest()


class _Making:
    """One environment as it is made.

    Attributes:
        name: Its name, and its recipe's.
        versions: Of Python, the best first.
        folder: Where it is made.
        torch: Where another build of PyTorch is; may be empty.
    """

    def __init__(self, name: str, versions: Sequence[str], folder: Path, torch: str) -> None:
        self.name, self.versions, self.folder, self.torch = name, versions, folder.absolute(), torch
        self.recipe = RECIPES / name
        self.uv = os.environ.get("UV") or shutil.which("uv")
        self.variables = {"UV_SYSTEM_CERTS": "1", **os.environ}
        for variable in _LEFT_OUT:
            self.variables.pop(variable, None)

    def make(self) -> None:
        """Make it, unless it is there as its recipe says.

        Raises:
            EnvironmentNotMadeError: There is no Python for it, or an installer has failed.
        """
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        stamp, unfinished = self.folder / STAMP, unfinished_mark(self.folder)
        if _state(self.folder, self.name) == _MADE and not unfinished.exists():
            self._tell("is up to date")
            stamp.touch()
            return
        with unfinished.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if _state(self.folder, self.name) == _MADE:  # by whoever held the lock
                unfinished.unlink(missing_ok=True)
                return
            started = time.monotonic()
            self._tell(f"making it in {self.folder}")
            stamp.unlink(missing_ok=True)
            self._install()
            stamp.write_text(_fingerprint(self.name))
            unfinished.unlink(missing_ok=True)
            self._tell(f"made in {time.monotonic() - started:.0f} s")

    def _install(self) -> None:
        self._make_empty()
        requirements = self.recipe / "requirements.txt"
        options, variables = [], {}
        if "\nsagemaker-training==" in requirements.read_text(encoding="utf-8"):
            variables = _UNCOMPILED
            # Such builds are kept apart in uv's cache by the setting, and out of pip's.
            packages = _NOT_COMPILED if self.uv else ()
            for package in packages:
                options += ["--config-settings-package", f"{package}:extension=none"]
            options += [] if self.uv else ["--no-cache-dir", "--use-pep517"]
        self._run_installer(*options, "--require-hashes", "-r", str(requirements), **variables)
        if (self.recipe / "torch.txt").is_file():
            self._install_torch(self.recipe / "torch.txt")
        if (self.recipe / "site").is_dir():
            told = self._ask("import sysconfig; print(sysconfig.get_path('purelib'))")
            shutil.copytree(self.recipe / "site", told, dirs_exist_ok=True)
        if (self.recipe / "patch.py").is_file():
            self._run(str(self.folder / "bin" / "python"), str(self.recipe / "patch.py"))

    def _make_empty(self) -> None:
        python = next((x for x in map(self._python, self.versions) if x), None)
        if self.uv:
            # uv fetches a Python that the machine does not have.
            chosen = python or self.versions[-1]
            self._run(
                self.uv, "venv", "--quiet", "--clear", "--python", chosen, str(self.folder)
            )  # fmt: skip
        elif python:
            self._run(python, "-m", "venv", "--clear", str(self.folder))
        else:
            versions = " or ".join(f"python{version}" for version in self.versions)
            raise EnvironmentNotMadeError(
                f"{self.name}: neither uv nor {versions} is on the PATH, or in working order"
            )

    def _python(self, version: str) -> str | None:
        if self.uv:
            find = (self.uv, "python", "find", "--no-python-downloads", version)
            found = subprocess.run(  # noqa: S603 -- a list
                find, capture_output=True, text=True, env=self.variables, check=False
            )  # fmt: skip
            return found.stdout.strip() or None
        told = "import sys; print('%d.%d' % sys.version_info[:2])"
        for program in (f"python{version}", sys.executable):
            with_it = shutil.which(program)
            # A version manager has programs for versions that it does not have.
            asked = with_it and subprocess.run(  # noqa: S603 -- a list
                [with_it, "-c", told], capture_output=True, text=True, check=False
            )  # fmt: skip
            if with_it and asked and asked.stdout.strip() == version:
                return with_it
        return None

    def _install_torch(self, lock: Path) -> None:
        # For Linux the registry has torch with CUDA alone. Another build has no hash in torch.txt,
        # and nothing else comes with it.
        lines = lock.read_text(encoding="utf-8").splitlines()
        (pin,) = [line.split()[0] for line in lines if line.startswith("torch==")]
        own = self.torch or self._torch_at_hand(pin)
        if own:
            self._tell(f"{pin} from {own}")
            source = ["--index-url", own] if "://" in own else ["--no-index", "--find-links", own]
            wanted = [own] if own.endswith(".whl") else [*source, pin]
            self._run_installer(*wanted)
            return
        if sys.platform == "linux":
            self._tell(
                f"{pin} with CUDA, about 3 GB to fetch and 6 GB of disk; --torch (make TORCH=…)"
                " takes a smaller build for the CPU: a wheel, a folder of wheels or an index"
            )
        self._run_installer("--require-hashes", "-r", str(lock))

    def _torch_at_hand(self, pin: str) -> str:
        python = self._ask("import sys; print('cp%d%d' % sys.version_info[:2])")
        wheel = f"{pin.replace('==', '-')}*-{python}-*.whl"
        folders = os.environ.get("PIP_FIND_LINKS", "").split()
        return next((x for x in folders if any(Path(x).glob(wheel))), "")

    def _ask(self, code: str) -> str:
        python = str(self.folder / "bin" / "python")
        ended = subprocess.run(  # noqa: S603 -- a list
            [python, "-c", code], capture_output=True, text=True, check=True, env=self.variables
        )  # fmt: skip
        return ended.stdout.strip()

    def _run_installer(self, *arguments: str, **variables: str) -> None:
        python = str(self.folder / "bin" / "python")
        if self.uv:
            install = [self.uv, "pip", "install", "--python", python, "--compile-bytecode"]
        else:
            install = [python, "-m", "pip", "install", "--disable-pip-version-check"]
        self._run(*install, "--quiet", "--no-deps", *arguments, **variables)

    def _run(self, *command: str, **variables: str) -> None:
        process = subprocess.Popen(  # noqa: S603 -- a list
            command, env={**self.variables, **variables}, stdin=subprocess.DEVNULL
        )
        started = time.monotonic()
        try:
            while True:
                try:
                    code = process.wait(_SIGN_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    self._tell(f"still installing, {time.monotonic() - started:.0f} s")
        except BaseException:
            process.terminate()
            process.wait()
            raise
        if code:
            raise EnvironmentNotMadeError(
                f"{self.name}: {Path(command[0]).name} has ended with code {code}; above is why"
            )

    def _tell(self, text: str) -> None:
        print(f"images: {self.name}: {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
