"""The channels of a training job: which there are, what they hold, and their rows as a matrix.

The rules and words are those of aws/sagemaker-xgboost-container (channel_validation.py, and
data_utils.py at 2502d03). As there, XGBoost's own reader takes the files: what is no number, or
empty, in a CSV row is 0 to it, without a word. The container looks at the first line of a file;
here a header is found there, too, and every line of a libsvm file is looked at, as the reader
crashes on a bad one.
"""

from __future__ import annotations

import logging
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xgboost
from hyperparameters import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_NAMES = ("train", "validation", "code")
_CSV, _LIBSVM = ("csv", "text/csv"), ("libsvm", "text/libsvm", "text/x-libsvm")
_NOT_EMULATED = (
    "parquet", "recordio-protobuf", "application/x-parquet", "application/x-recordio-protobuf",
)  # fmt: skip
_ACCEPTED = (
    "csv, libsvm, parquet, recordio-protobuf, text/csv, text/libsvm, text/x-libsvm,"
    " application/x-parquet, application/x-recordio-protobuf"
)
_DELIMITERS = (",", "\t", ";", " ", ":", "|")
_SNIPPET = 50
# <label>(:<weight>) (qid:<group>) <index>:<value> …; the reader never ends an index of 20 digits.
_NUMBER = rb"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|[-+]?(?:nan|inf)"
_LIBSVM_LINE = re.compile(
    rb"(?i:(?:%(n)s)(?::(?:%(n)s))?(?:[ \t]+qid:\d+)?(?:[ \t]+\d{1,9}:(?:%(n)s))*"
    rb"[ \t]*(?:#.*)?)?\r?\n?" % {b"n": _NUMBER}
)

log = logging.getLogger(__name__)


def check_channels(config: Mapping[str, Mapping[str, str]]) -> None:
    """Check which channels there are.

    Args:
        config: The content of inputdataconfig.json.

    Raises:
        UserError: `train` is missing, or there is one that the algorithm does not know.
    """
    if "train" not in config:
        raise UserError("Missing required channel: train")
    for name in config:
        if name not in _NAMES:
            raise UserError(f"Extraneous channel found: {name}")


def content_form(content_type: str | None) -> str:
    """Return ``csv`` or ``libsvm`` for a channel's ContentType; libsvm is the default.

    Raises:
        UserError: It is neither.
    """
    told = (content_type or "libsvm").lower()
    if told in _LIBSVM:
        return "libsvm"
    if told in _NOT_EMULATED:
        raise UserError(
            f"ContentType {told} is not emulated by the embedded SageMaker; use text/csv or"
            " text/libsvm."
        )
    name, *parameters = (part.strip() for part in told.split(";"))
    if name not in _CSV or (parameters and name == "csv"):
        raise UserError(f"{content_type} is not an accepted ContentType: {_ACCEPTED}.")
    for parameter in parameters:
        key, _, value = (part.strip() for part in parameter.partition("="))
        if key == "label_size" and value != "1":
            raise UserError(
                f"{content_type} is not an accepted csv ContentType. Optional parameter label_size"
                " must be equal to 1"
            )
    return "csv"


def read_channel(folder: Path, *, form: str, weighted: bool) -> Any:
    """Return a channel's rows as a `xgboost.DMatrix`; None if it holds no data.

    Args:
        folder: The channel's; every file below it is read, but those with a name that begins with a
            dot or an underscore.
        form: ``csv``, the label first and no header, or ``libsvm``.
        weighted: In a CSV row the weight follows the label.

    Raises:
        UserError: A file is not of that form.
    """
    files = [
        file
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.stat().st_size and not file.name.startswith((".", "_"))
    ]
    if not files:
        return None
    query = "format=libsvm"
    if form == "libsvm":
        for file in files:
            _check_libsvm(file)
    else:
        (delimiter, *others) = dict.fromkeys(_check_csv(file) for file in files)
        if others:
            raise UserError(f"The files of {folder} have several delimiters: {delimiter}, {others}")
        query = f"format=csv&label_column=0&delimiter={delimiter}"
        query += "&weight_column=1" if weighted else ""
    # XGBoost reads one folder, not those below it, and no path with a mark such as "?" in it.
    with tempfile.TemporaryDirectory(dir=".") as staged:
        for number, file in enumerate(files):
            (Path(staged) / f"{number:06d}").symlink_to(file)
        try:
            return xgboost.DMatrix(f"{Path(staged).name}?{query}")
        except xgboost.core.XGBoostError as error:
            told = f"Failed to load {form} data with exception:\n{what_failed(error)}"
            raise UserError(told) from error


def what_failed(error: Exception) -> str:
    """Return what a library says, without the addresses of its own code."""
    return str(error).partition("\nStack trace:")[0]


def _check_csv(file: Path) -> str:
    with file.open(encoding="utf-8", errors="ignore") as text:
        line = text.readline(1 << 20).rstrip("\r\n")
    delimiter = next((mark for mark in _DELIMITERS if mark in line), None)
    if delimiter is None:
        raise UserError(
            f"Could not determine delimiter on line {line[:_SNIPPET]}:\nCould not determine"
            " delimiter"
        )
    if not _are_numbers(line.split(delimiter)):
        raise UserError(f"{_not_of_form(line, file, 'CSV', number=1)} There must be no header.")
    log.info("Determined delimiter of CSV input is '%s'", delimiter)
    return delimiter


def _check_libsvm(file: Path) -> None:
    with file.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not _LIBSVM_LINE.fullmatch(line):
                text = line.decode("utf-8", "replace").rstrip()
                raise UserError(_not_of_form(text, file, "LIBSVM", number=number))


def _are_numbers(cells: Iterable[str]) -> bool:
    try:
        return all(not cell.strip() or float(cell) is not None for cell in cells)
    except ValueError:
        return False


def _not_of_form(line: str, file: Path, form: str, *, number: int) -> str:
    which = "First line" if number == 1 else f"Line {number},"
    return (
        f"{which} '{line[:_SNIPPET]}...' of file '{file.name}' is not '{form}' format. Please"
        f" ensure the file is in '{form}' format."
    )
