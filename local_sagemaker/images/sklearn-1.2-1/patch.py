"""Changes an installed file; run once, by the environment's Python."""

from __future__ import annotations

import py_compile
import shutil
import sysconfig
from pathlib import Path

_LIBRARIES, _PROGRAMS = (Path(sysconfig.get_path(name)) for name in ("purelib", "scripts"))


def main() -> None:
    """Make the changes."""
    # The class has moved since the toolkit was written; the image's older Python has it there, too.
    mapping = _LIBRARIES / "sagemaker_containers/_mapping.py"
    _replace(mapping, "collections.Mapping", "collections.abc.Mapping")
    # Two toolkits bring this program, and chance says which of them is installed last.
    _replace(_PROGRAMS / "train", "from sagemaker_containers.cli", "from sagemaker_training.cli")


def _replace(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    if new in text:
        return
    if old not in text:
        raise SystemExit(f"{file} has no {old!r}: this patch is of another version")
    # A file of its own: what is there may be one with the installer's cache.
    changed = file.with_name(f"{file.name}.new")
    changed.write_text(text.replace(old, new), encoding="utf-8")
    shutil.copymode(file, changed)
    changed.replace(file)
    if file.suffix == ".py":
        py_compile.compile(str(file), doraise=True)


if __name__ == "__main__":
    main()
