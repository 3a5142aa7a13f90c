"""``python -m retraining.sagemaker_pipelines``: definitions on the command line.

``check`` tells what of them cannot be had, in the words that Airflow would list under import
errors; ``eject`` makes a DAG file of one; ``write`` makes one of a pipeline that the SageMaker SDK
builds. None needs Airflow or AWS.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from retraining.sagemaker_pipelines import from_sdk
from retraining.sagemaker_pipelines.definition import named_by, read
from retraining.sagemaker_pipelines.eject import ejected
from retraining.sagemaker_pipelines.graph import nodes
from retraining.sagemaker_pipelines.references import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says.

    Args:
        arguments: The command line; None for the process's own.

    Returns:
        The exit code: 1 if a definition cannot be had whole, or a file not be read or written.
    """
    options = _parser().parse_args(arguments)
    if options.command == "check":
        return _check(options.files)
    target = options.file if options.command == "eject" else options.target
    try:
        text = _ejected(options) if options.command == "eject" else _written(options)
        if options.output is None:
            sys.stdout.write(text)
        else:
            _put(options.output, text, replaces=options.command == "write" or options.force)
            print(f"{target}: written to {options.output}", file=sys.stderr)
    except FileExistsError:
        print(f"{options.output}: it exists; --force replaces it", file=sys.stderr)
        return 1
    except (DefinitionError, OSError) as error:
        if isinstance(error, OSError):
            place = error.filename2 or error.filename or options.output
            print(f"{place}: {error.strerror}", file=sys.stderr)
        else:
            print(f"{target}: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m retraining.sagemaker_pipelines")
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser(
        "check", help="say what of definitions cannot be had; exit with 1 if anything"
    )
    check.add_argument("files", metavar="FILE", nargs="+", type=Path, help="a definition's JSON")
    eject = commands.add_parser("eject", help="make a DAG file that needs the definition no more")
    eject.add_argument("file", metavar="FILE", type=Path, help="a definition's JSON")
    eject.add_argument("--name", help="the pipeline's, where the JSON does not say it")
    eject.add_argument("--snapshot", help="the parameter that is the date of the data")
    eject.add_argument("--force", action="store_true", help="replace the DAG file")
    write = commands.add_parser("write", help="write the definition of a pipeline of the SDK")
    write.add_argument(
        "target", metavar="MODULE:NAME", help="or FILE.py:NAME; a pipeline, or what returns one"
    )
    write.add_argument("--region", default="us-east-1", help="it is in the names of images")
    write.add_argument(
        "--with-aws", action="store_true",
        help="leave the environment as it is: the program asks AWS, or uploads code",
    )  # fmt: skip
    for command in (eject, write):
        command.add_argument("-o", "--output", type=Path, help="the file; else it is printed")
    return parser


def _check(files: Sequence[Path]) -> int:
    is_whole = True
    for file in files:
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


def _ejected(options: argparse.Namespace) -> str:
    file: Path = options.file
    return ejected(
        file.read_bytes(),
        options.name or named_by(file),
        dag_id=file.stem.replace("-", "_"),
        snapshot=options.snapshot,
    )


def _written(options: argparse.Namespace) -> str:
    if not options.with_aws:
        from_sdk.without_aws(options.region)
    # What the SDK and the program say is not the definition.
    with contextlib.redirect_stdout(sys.stderr):
        pipeline = from_sdk.built(options.target)
        text, again = from_sdk.definition_text(pipeline), from_sdk.definition_text(pipeline)
    for line, other in zip(text.split("\n"), again.split("\n"), strict=False):
        if line != other:
            said = "it is another each time that it is built, at"
            print(f"{options.target}: {said} {line.strip()}", file=sys.stderr)
            break
    return text


def _put(path: Path, text: str, *, replaces: bool) -> None:
    """Write a file whole or not at all.

    Raises:
        FileExistsError: It exists, and is not to be replaced.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        mask = os.umask(0)
        os.umask(mask)
        Path(name).chmod(0o666 & ~mask)
        if replaces:
            Path(name).replace(path)
        else:
            path.hardlink_to(name)
    finally:
        Path(name).unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())
