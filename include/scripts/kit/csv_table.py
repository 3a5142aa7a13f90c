"""The table's columns, and one CSV file of it: what a file may hold, and reading it.

Line numbers are those that an editor shows: the header is line 1, the first row line 2.
"""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from failure import BadInputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

# Both ends are legal. Outside them is a mistake of unit, sign or place, not an unusual district:
# California spans 32.5 to 42.0 degrees north and 124.5 to 114.1 degrees west.
LIMITS = {
    "MedInc": (0, 100),  # tens of thousands of dollars
    "HouseAge": (0, 200),  # years
    "AveRooms": (0, 1_000),  # per household
    "AveBedrms": (0, 1_000),
    "Population": (0, 1_000_000),
    "AveOccup": (0, 10_000),
    "Latitude": (32, 42.5),
    "Longitude": (-125, -114),
    "MedHouseVal": (0, 100),  # hundreds of thousands of dollars
}
COLUMNS = list(LIMITS)
TARGET = "MedHouseVal"
FEATURES = [name for name in COLUMNS if name != TARGET]
NULLS = ["", "NA", "NaN", "nan", "NULL", "null"]
DELIMITERS = {";": "semicolons", "\t": "tabs", "|": "bars"}


def read_split(path: Path) -> pd.DataFrame:
    """Read one split that preprocessing wrote; it may have no row.

    Raises:
        BadInputError: It is not there, or it cannot be used.
    """
    if not path.is_file():
        raise BadInputError(f"{path}: there is no such file; is the channel's prefix right?")
    table, problems = read_file(path)
    if problems:
        raise BadInputError("\n".join(problems))
    return table


def read_file(path: Path) -> tuple[pd.DataFrame, list[str]]:
    """Read one file, and find all that is wrong with it.

    Returns:
        ``COLUMNS`` as float64, indexed by line number, in whatever order the file has them, and
        a sentence for each problem. Where there are problems, the table means nothing.
    """
    try:
        rows, problems = _structure(path)
    except BadInputError as error:
        rows, problems = 0, [str(error)]
    table = pd.DataFrame()
    if not problems:
        table, problems = _parse(path, rows)
        problems += _value_problems(table)
    return table, [f"{path.name}: {problem}" for problem in problems]


def _parse(path: Path, rows: int) -> tuple[pd.DataFrame, list[str]]:
    options = {
        "encoding": "utf-8-sig",
        "keep_default_na": False,
        "na_values": NULLS,
        "skip_blank_lines": False,
        "nrows": rows,
        "index_col": False,
    }
    table = pd.read_csv(path, float_precision="round_trip", low_memory=False, **options)
    problems = []
    # A column of nothing but "True" becomes booleans, one with any other text objects.
    if any(dtype.kind not in "iuf" for dtype in table.dtypes):
        # Only now is the second, slower reading paid for, that can tell which cell it was.
        texts = pd.read_csv(path, dtype=str, **options)
        table = texts.apply(pd.to_numeric, errors="coerce")
        for name in COLUMNS:
            wrong = (texts[name].notna() & table[name].isna()).to_numpy()
            if wrong.any():
                text = texts[name][wrong].iloc[0]
                problems.append(_cells(name, wrong, f"{text!r} is not a number"))
                # A legal value, so that the cell is not reported twice.
                table[name] = table[name].mask(wrong, LIMITS[name][0])
    table = table[COLUMNS].astype(np.float64)
    return table.set_axis(range(2, len(table) + 2)), problems


def _structure(path: Path) -> tuple[int, list[str]]:
    """Count the rows, and find what would make a parser fail, or misread silently."""
    header: Sequence[str] = ()
    ragged: list[tuple[int, int]] = []
    rows = 0
    for number, fields in _records(path):
        if number == 1:
            header = fields
            continue
        rows += 1
        if len(fields) != len(header):
            ragged.append((number, len(fields)))
    if not header:
        raise BadInputError("it is empty")
    problems = _header_problems(header)
    if ragged and len(header) > 1:
        number, count = ragged[0]
        more = _more(len(ragged), "line")
        problems.append(f"line {number} has {count} fields, the header has {len(header)}{more}")
    return rows, problems


def _records(path: Path) -> Iterator[tuple[int, Sequence[str]]]:
    """Yield each line's number and fields; one record is one line, as no field is a text."""
    blank = 0
    with path.open("rb") as lines:
        for number, raw in enumerate(lines, 1):
            try:
                line = raw.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                byte = raw[error.start]
                raise BadInputError(
                    f"line {number} is not UTF-8: its byte {error.start + 1} is 0x{byte:02x}"
                ) from None
            if "\0" in line:
                raise BadInputError(f"line {number} has a NUL byte: it is not a CSV file")
            line = line.removesuffix("\n").removesuffix("\r")
            if "\r" in line:
                raise BadInputError(f"line {number} has a bare carriage return; end lines with \\n")
            if not line.strip():
                blank = blank or number
                continue
            if blank:
                raise BadInputError(f"line {blank} is blank, and more lines follow")
            try:
                yield number, _fields(line)
            except csv.Error as error:
                raise BadInputError(f"line {number} has a broken quotation: {error}") from None


def _fields(line: str) -> Sequence[str]:
    if '"' in line:
        return next(csv.reader([line], strict=True))
    return line.split(",")


def _header_problems(header: Sequence[str]) -> list[str]:
    if len(header) == 1:
        for delimiter, plural in DELIMITERS.items():
            if delimiter in header[0]:
                return [f"line 1, the header, is delimited by {plural}; use commas"]
    if all(_is_number(name) for name in header):
        return [f"line 1 is a row; it must be the header {','.join(COLUMNS)}"]
    missing = [name for name in COLUMNS if name not in header]
    unexpected = [name for name in dict.fromkeys(header) if name not in COLUMNS]
    twice = [name for name in COLUMNS if header.count(name) > 1]
    return (
        [f"line 1, the header, lacks column {name}" for name in missing]
        + [f"line 1, the header, has an unknown column {name!r}" for name in unexpected]
        + [f"line 1, the header, has column {name} {header.count(name)} times" for name in twice]
    )


def _value_problems(table: pd.DataFrame) -> list[str]:
    problems = []
    for name, (low, high) in LIMITS.items():
        values = table[name].to_numpy()
        infinite = np.isinf(values)
        impossible = ~infinite & ((values < low) | (values > high))
        if len(values) and np.isnan(values).all():
            problems.append(f"line 2, column {name}: null, as are all {len(values)} values")
        if infinite.any():
            problems.append(_cells(name, infinite, f"{values[infinite][0]} is not finite"))
        if impossible.any():
            value = values[impossible][0]
            fault = f"{value} is impossible; {low} to {high} is legal"
            problems.append(_cells(name, impossible, fault))
    return problems


def _cells(name: str, chosen: np.ndarray, fault: str) -> str:
    return f"line {int(chosen.argmax()) + 2}, column {name}: {fault}{_more(chosen.sum(), 'cell')}"


def _more(count: int, noun: str) -> str:
    return f" (the first of {count} such {noun}s)" if count > 1 else ""


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
