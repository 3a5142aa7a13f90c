"""``python -m retraining.sagemaker_pipelines check``: tells what of definitions cannot be had.

It needs neither Airflow nor AWS. What it says is what Airflow would list under import errors.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from retraining.sagemaker_pipelines.definition import named_by, read
from retraining.sagemaker_pipelines.graph import nodes
from retraining.sagemaker_pipelines.references import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Check the files that the command line names.

    Args:
        arguments: The command line; None for the process's own.

    Returns:
        The exit code: 1 if a definition cannot be had whole, or a file not be read.
    """
    parser = argparse.ArgumentParser(prog="python -m retraining.sagemaker_pipelines")
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser(
        "check", help="say what of definitions cannot be had; exit with 1 if anything"
    )
    check.add_argument("files", metavar="FILE", nargs="+", type=Path, help="a definition's JSON")
    options = parser.parse_args(arguments)
    is_whole = True
    for file in options.files:
        try:
            said, to = f"{file}: {_checked(file)}", sys.stdout
        except (DefinitionError, OSError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            said, to, is_whole = f"{file}: {why}", sys.stderr, False
        print(said, file=to)
    return 0 if is_whole else 1


def _checked(file: Path) -> str:
    """Return what there is to know of a definition that can be had.

    Raises:
        DefinitionError: It cannot.
        OSError: The file cannot be read.
    """
    definition = read(file.read_bytes(), named_by(file))
    count = len(nodes(definition))
    asked = [parameter.name for parameter in definition.parameters if parameter.default is None]
    wanted = f"; a run must give {', '.join(asked)}" if asked else ""
    return f"pipeline {definition.name}: all {count} steps run{wanted}"


if __name__ == "__main__":
    sys.exit(main())
