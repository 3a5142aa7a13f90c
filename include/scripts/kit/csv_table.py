"""One CSV file of a declared table: reading it, and finding all that is wrong with it.

Line numbers are those that an editor shows: the first line is line 1, be it a header or a row.
"""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from kit.failure import BadInputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

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
    try:
        count, problems = _structure(path, table)
    except BadInputError as error:
        count, problems = 0, [str(error)]
    rows = pd.DataFrame()
    if not problems:
        rows, problems = _parse(path, table, rows=count)
        for column in table.columns:
            problems += _cell_problems(rows[column.name], column)
    return rows, [f"{path.name}: {problem}" for problem in problems]


def _parse(path: Path, table: Table, *, rows: int) -> tuple[pd.DataFrame, list[str]]:
    options = {
        "encoding": "utf-8-sig",
        "keep_default_na": False,
        "na_values": NULLS,
        "skip_blank_lines": False,
        "nrows": rows,
        "index_col": False,
    }
    if not table.header:
        options |= {"header": None, "names": table.names}
    numbers = [column for column in table.columns if column.is_number]
    texts = {column.name: str for column in table.columns if not column.is_number}
    parsed = pd.read_csv(
        path, float_precision="round_trip", low_memory=False, dtype=texts, **options
    )[table.names]
    # A column of nothing has a type of its own choice.
    parsed = parsed.astype(dict.fromkeys(texts, object))
    parsed.index = pd.RangeIndex(table.first_row, table.first_row + len(parsed))
    problems = []
    # A column of nothing but "True" becomes booleans, one with any other text objects.
    if any(parsed[column.name].dtype.kind not in "iuf" for column in numbers):
        # Only now is the second, slower reading paid for, that can tell which cell it was.
        cells = pd.read_csv(path, dtype=str, **options)
        cells.index = parsed.index
        for column in numbers:
            name = column.name
            parsed[name] = pd.to_numeric(cells[name], errors="coerce")
            wrong = (cells[name].notna() & parsed[name].isna()).to_numpy()
            if wrong.any():
                text = cells[name][wrong].iloc[0]
                problems.append(_cells(parsed[name], wrong, f"{text!r} is not a number"))
                # A legal number, so that the cell is not reported twice.
                parsed[name] = parsed[name].mask(wrong, max(column.low, min(column.high, 0)))
    return parsed.astype({column.name: np.float64 for column in numbers}), problems


def _structure(path: Path, table: Table) -> tuple[int, list[str]]:
    """Count the rows, and find what would make a parser fail, or misread silently."""
    first: Sequence[str] = ()
    ragged: list[tuple[int, int]] = []
    lines = width = 0
    for number, fields in _records(path):
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


def _records(path: Path) -> Iterator[tuple[int, Sequence[str]]]:
    """Yield each line's number and fields; one record is one line, as no field has two."""
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
    return (
        [f"line 1, the header, lacks column {name}" for name in missing]
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


def _cell_problems(cells: pd.Series, column: Column) -> list[str]:
    null = cells.isna().to_numpy()
    if len(null) and null.all():
        return [f"line {cells.index[0]}, column {column.name}: null, as are all {len(null)} values"]
    if column.categories:
        unknown = ~null & ~cells.isin(column.categories).to_numpy()
        legal = ", ".join(column.categories)
        faults = [(unknown, lambda value: f"{value!r} is none of {legal}")]
    elif column.text:
        return []
    else:
        values = cells.to_numpy()
        infinite = np.isinf(values)
        impossible = ~infinite & ((values < column.low) | (values > column.high))
        faults = [
            (infinite, lambda value: f"{value} is not finite"),
            (impossible, lambda value: f"{value} is impossible; {column.legal} is legal"),
        ]
    return [
        _cells(cells, chosen, fault(cells[chosen].iloc[0]))
        for chosen, fault in faults
        if chosen.any()
    ]


def _cells(cells: pd.Series, chosen: np.ndarray, fault: str) -> str:
    line = cells.index[int(chosen.argmax())]
    return f"line {line}, column {cells.name}: {fault}{_more(chosen.sum(), 'cell')}"


def _more(count: int, noun: str) -> str:
    return f" (the first of {count} such {noun}s)" if count > 1 else ""


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
