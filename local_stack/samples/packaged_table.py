"""A real table that a registry package carries: checked to the byte, then put in place."""

from __future__ import annotations

import argparse
import hashlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class SampleDataError(Exception):
    """The real data is not what it should be, or cannot be had at all."""


def packaged_file(path: Path, sha256: str) -> bytes:
    """Read a file of an installed package, and check it to the byte.

    Raises:
        SampleDataError: It is not there, or it is another one.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SampleDataError(f"{path} cannot be read: {error.strerror}") from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != sha256:
        raise SampleDataError(f"{path} has SHA-256 {digest}, not {sha256}")
    return content


def put_in_place(
    name: str, sources: Sequence[Callable[[Path], bytes]], arguments: Sequence[str] | None = None
) -> None:
    """Write the table of the first source that has it; exit with a message where none has.

    Args:
        name: What people call the table.
        sources: Each gets the folder that the package was installed into, and gives the checked
            table or raises ``SampleDataError``.
        arguments: Of the command line: that folder, and the file to write.
    """
    parser = argparse.ArgumentParser(description=f"Put the {name} data in place.")
    parser.add_argument("package", type=Path, help="where the package was installed")
    parser.add_argument("target", type=Path, help="the file to write")
    options = parser.parse_args(arguments)
    reasons = []
    for source in sources:
        try:
            content = source(options.package)
        except SampleDataError as error:
            reasons.append(str(error))
            continue
        options.target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = options.target.with_suffix(".part")
        unfinished.write_bytes(content)
        unfinished.replace(options.target)
        return
    sys.exit(f"The {name} data cannot be had: " + "; ".join(reasons))
