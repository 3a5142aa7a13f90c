"""Libraries that an image lacks, for processing jobs: no image installs them by itself there.

Training and serving containers of AWS install the ``requirements.txt`` that lies beside the script.
"""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from kit.failure import BadInputError

if TYPE_CHECKING:
    from pathlib import Path


def install(requirements: Path) -> None:
    """Install what a requirements file names, unless all of it is there already.

    Args:
        requirements: Lines ``name==version``, and comments.

    Raises:
        BadInputError: pip cannot install it.
    """
    lines = [line.partition("#")[0].strip() for line in requirements.read_text().splitlines()]
    if all(map(_is_there, filter(None, lines))):
        return
    pip = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--quiet"]
    ran = subprocess.run([*pip, "-r", str(requirements)], check=False)  # noqa: S603 -- no shell
    if ran.returncode:
        raise BadInputError(
            f"{requirements.name}: pip has ended with code {ran.returncode}, its words are above; "
            "the job needs a way to a package index, or an image that has the libraries"
        )


def _is_there(requirement: str) -> bool:
    name, _, wanted = requirement.partition("==")
    try:
        return version(name) == wanted
    except PackageNotFoundError:
        return False
