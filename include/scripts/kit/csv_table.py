"""The rows of a declared table in CSV: reading them, and finding all that is wrong with them.

One set of rules for files and for what an endpoint is sent: UTF-8, with a byte order mark or not;
fields in quotes or not; spaces before a cell are no part of it, names must be exact. Line numbers
are those that an editor shows: the first line is line 1, be it a header or a row.
"""

from __future__ import annotations

import csv
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from kit.failure import BadInputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import BinaryIO

    from kit.table import Column, Table

# Python's own limit is 128 KB, which a text may exceed.
csv.field_size_limit(2**31 - 1)
NULLS = ["", "NA", "NaN", "nan", "NULL", "null"]
DELIMITERS = {";": "semicolons", "\t": "tabs", "|": "bars"}


def read_split(path: Path, table: Table) -> pd.DataFrame:
    """Read one split that preprocessing wrote; it may have no row.

    Raises:
        BadInputError: It is not there, or it cannot be used.
    """
    if not path.is_file():
        raise BadInputError(f"{path}: there is no such file; is the channel's prefix right?")
    rows, problems = read_file(path, table)
    if problems:
        raise BadInputError("\n".join(problems))
    return rows


def read_file(path: Path, table: Table) -> tuple[pd.DataFrame, list[str]]:
    """Read one file, and find all that is wrong with it.

    Returns:
        The table's columns in the order of its declaration, float64 or texts, nulls included, with
        the line numbers as index; and a sentence for each problem. Where there are problems, the
        rows mean nothing.
    """
    rows, problems = read_cells(path, table)
    if not problems or not rows.empty:
        for column in table.columns:
            cells = rows[column.name]
            problems += _null_problems(cells) or [
                *illegal_cells(cells, column),
                *impossible_cells(cells, column),
            ]
    return rows, [f"{path.name}: {problem}" for problem in problems]


def read_cells(source: Path | bytes, table: Table) -> tuple[pd.DataFrame, list[str]]:
    """Read the rows of a file, or of its content, whatever the numbers and texts in them are.

    Returns:
        As ``read_file``; without a row where the lines make no table.
    """
    try:
        count, problems = _structure(source, table)
    except BadInputError as error:
        return pd.DataFrame(), [str(error)]
    return (pd.DataFrame(), problems) if problems else _parse(source, table, rows=count)


def _opened(source: Path | bytes) -> BinaryIO:
    return source.open("rb") if isinstance(source, Path) else BytesIO(source)


def _parse(source: Path | bytes, table: Table, *, rows: int) -> tuple[pd.DataFrame, list[str]]:
    options = {
        "encoding": "utf-8-sig",
        "keep_default_na": False,
        "na_values": NULLS,
        "skip_blank_lines": False,
        "skipinitialspace": True,
        "nrows": rows,
        "index_col": False,
    }
    if not table.header:
        options |= {"header": None, "names": table.names}
    numbers = [column for column in table.columns if column.is_number]
    texts = {column.name: str for column in table.columns if not column.is_number}
    with _opened(source) as content:
        parsed = pd.read_csv(
            content, float_precision="round_trip", low_memory=False, dtype=texts, **options
        )[table.names]
    if texts:
        # A column of nothing has a type of its own choice.
        parsed = parsed.astype(dict.fromkeys(texts, object))
    parsed.index = pd.RangeIndex(table.first_row, table.first_row + len(parsed))
    problems = []
    # A column of nothing but "True" becomes booleans, one with any other text objects.
    if any(parsed[column.name].dtype.kind not in "iuf" for column in numbers):
        # Only now is the second, slower reading paid for, that can tell which cell it was.
        with _opened(source) as content:
            cells = pd.read_csv(content, dtype=str, **options)
        cells.index = parsed.index
        for column in numbers:
            name = column.name
            parsed[name] = pd.to_numeric(cells[name], errors="coerce")
            wrong = (cells[name].notna() & parsed[name].isna()).to_numpy()
            problems += _cells(cells[name], wrong, "is not a number", shown=repr)
            # A legal number, so that the cell is not reported twice.
            parsed[name] = parsed[name].mask(wrong, max(column.low, min(column.high, 0)))
    return parsed.astype({column.name: np.float64 for column in numbers}), problems


def _structure(source: Path | bytes, table: Table) -> tuple[int, list[str]]:
    """Count the rows, and find what would make a parser fail, or misread silently."""
    first: Sequence[str] = ()
    ragged: list[tuple[int, int]] = []
    lines = width = 0
    for number, fields in _records(source, header=table.header):
        lines += 1
        if number == 1:
            first = fields
            width = len(first) if table.header else len(table.columns)
        if len(fields) != width:
            ragged.append((number, len(fields)))
    if not lines:
        raise BadInputError("it is empty")
    problems = (_header_problems if table.header else _first_row_problems)(first, table)
    # Of a table in one column it is told already that it is delimited otherwise, or is no table.
    if ragged and not len(first) == 1 < len(table.columns):
        number, count = ragged[0]
        due = f"the header has {width}" if table.header else f"a row has {width}: {_list(table)}"
        more = _more(len(ragged), "line")
        problems.append(f"line {number} has {count} fields, {due}{more}")
    return lines + 1 - table.first_row, problems


def _records(source: Path | bytes, *, header: bool) -> Iterator[tuple[int, Sequence[str]]]:
    """Yield each line's number and fields; one record is one line, as no field has two."""
    blank = 0
    with _opened(source) as lines:
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
                yield number, _fields(line, skip_spaces=not header or number > 1)
            except csv.Error as error:
                raise BadInputError(f"line {number} has a broken quotation: {error}") from None


def _fields(line: str, *, skip_spaces: bool) -> Sequence[str]:
    if '"' in line:
        return next(csv.reader([line], strict=True, skipinitialspace=skip_spaces))
    return line.split(",")


def _header_problems(header: Sequence[str], table: Table) -> list[str]:
    names = table.names
    if len(header) == 1 and len(names) > 1 and (plural := _delimiter(header[0])):
        return [f"line 1, the header, is delimited by {plural}; use commas"]
    texts = sum(not column.is_number for column in table.columns)
    numbers = sum(map(_is_number, header))
    if numbers and len(header) - numbers <= texts:
        return [f"line 1 is a row; it must be the header {_list(table)}"]
    missing = [name for name in names if name not in header]
    unexpected = [name for name in dict.fromkeys(header) if name not in names]
    twice = [name for name in names if header.count(name) > 1]
    folded = {_folded(name): name for name in missing}
    alike = {name: folded[_folded(name)] for name in unexpected if _folded(name) in folded}
    if len(set(alike.values())) == len(alike):
        missing = [name for name in missing if name not in alike.values()]
        unexpected = [name for name in unexpected if name not in alike]
    else:
        alike = {}
    pairs = ", ".join(f"{name!r} must be {due}" for name, due in alike.items())
    return (
        [f"line 1, the header, differs by case or spaces only: {pairs}" for _ in alike][:1]
        + [f"line 1, the header, lacks column {name}" for name in missing]
        + [f"line 1, the header, has an unknown column {name!r}" for name in unexpected]
        + [f"line 1, the header, has column {name} {header.count(name)} times" for name in twice]
    )


def _first_row_problems(row: Sequence[str], table: Table) -> list[str]:
    if len(row) == 1 < len(table.columns):
        plural = _delimiter(row[0])
        fault = f"is delimited by {plural}; use commas" if plural else "has one field"
        return [f"line 1 {fault}; a row has {len(table.columns)}: {_list(table)}"]
    cells = [field for field, column in zip(row, table.columns, strict=False) if column.is_number]
    named = [field.strip().lower() for field in row] == [name.lower() for name in table.names]
    if named or (cells and not any(cell in NULLS or _is_number(cell) for cell in cells)):
        return ["line 1 is a header; begin with the first row"]
    return []


def _null_problems(cells: pd.Series) -> list[str]:
    if len(cells) and cells.isna().all():
        return [f"line {cells.index[0]}, column {cells.name}: null, as are all {len(cells)} values"]
    return []


def illegal_cells(cells: pd.Series, column: Column) -> list[str]:
    """Tell of cells that are no value of the column at all: unknown categories, infinities."""
    if column.categories:
        unknown = (cells.notna() & ~cells.isin(column.categories)).to_numpy()
        return _cells(cells, unknown, f"is none of {', '.join(column.categories)}", shown=repr)
    if column.text:
        return []
    return _cells(cells, np.isinf(cells.to_numpy()), "is not finite", shown=str)


def impossible_cells(cells: pd.Series, column: Column) -> list[str]:
    """Tell of numbers outside of the column's legal ones."""
    if not column.is_number:
        return []
    values = cells.to_numpy()
    outside = (values < column.low) | (values > column.high)
    if column.whole:
        outside |= values % 1 != 0
    outside &= np.isfinite(values)
    return _cells(cells, outside, f"is impossible; {column.legal} is legal", shown=str)


def _cells(
    cells: pd.Series, chosen: np.ndarray, fault: str, *, shown: Callable[[object], str]
) -> list[str]:
    if not chosen.any():
        return []
    first = int(chosen.argmax())
    told = f"{shown(cells.iloc[first])} {fault}{_more(chosen.sum(), 'cell')}"
    return [f"line {cells.index[first]}, column {cells.name}: {told}"]


def _more(count: int, noun: str) -> str:
    return f" (the first of {count} such {noun}s)" if count > 1 else ""


def _folded(name: str) -> str:
    return "".join(name.split()).strip('"').casefold()


def _list(table: Table) -> str:
    return ",".join(table.names)


def _delimiter(line: str) -> str | None:
    return next((plural for delimiter, plural in DELIMITERS.items() if delimiter in line), None)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
