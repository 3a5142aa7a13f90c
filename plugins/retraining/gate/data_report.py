"""The one reader of reports on data, which ``kit.data_report`` writes.

Any JSON may lie there. What is not of the shape is told by its path, and nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from retraining.gate.report import UndecidableError, finite, kind_of, parse
from retraining.gate.sketch import Sketch
from retraining.gate.words import one_line

SCHEMA = 1
NUMBER, CATEGORY, TEXT = "number", "category", "text"
# No more than can be compared in a moment, whatever a report is.
_MOST_COLUMNS, _MOST_POINTS = 10_000, 10_000
_MOST_ROWS = 2**53
_LONGEST_NAME = 60


@dataclass(frozen=True, slots=True)
class Column:
    """What a report says of a column.

    Attributes:
        kind: number, category or text.
        null_share: Of its cells, those that hold nothing or an infinite number; 0 to 1.
        sketch: Of its numbers or of its texts' lengths; None if it has none.
        standard_deviation: Of the same.
        categories: The count of each of the most frequent ones.
        others: How many cells hold any other.
    """

    kind: str
    null_share: float
    sketch: Sketch | None = None
    standard_deviation: float = 0.0
    categories: Mapping[str, int] = field(default_factory=dict)
    others: int = 0


@dataclass(frozen=True, slots=True)
class DataReport:
    """What a report says of a snapshot's data.

    Attributes:
        rows: How many there are.
        duplicate_share: Of the rows, those that repeat an earlier one; 0 to 1.
        columns: By name.
    """

    rows: int
    duplicate_share: float
    columns: Mapping[str, Column]


def read(content: bytes) -> DataReport:
    """Read a report on data.

    Raises:
        UndecidableError: It is not JSON, or not such a report; the message says where.
    """
    try:
        told = parse(content)
    except UndecidableError as error:
        raise UndecidableError(str(error).replace("the report", "the data report", 1)) from error
    if not isinstance(told, Mapping):
        raise UndecidableError(f"the data report is {kind_of(told)}, not an object")
    if _count(told, "schema", "") != SCHEMA:
        raise UndecidableError(
            f"the data report's schema is {_shown(told.get('schema'))}, not {SCHEMA}"
        )
    columns = _object(told, "columns", "")
    if len(columns) > _MOST_COLUMNS:
        raise UndecidableError(f"the data report has {len(columns)} columns, over {_MOST_COLUMNS}")
    rows = _count(told, "rows", "")
    return DataReport(
        rows=rows,
        duplicate_share=_share(_object(told, "duplicates", ""), "duplicates"),
        columns={
            name: _column(_object(columns, name, "columns"), f"columns.{name}", rows)
            for name in columns
        },
    )


def _column(told: Mapping[str, Any], at: str, rows: int) -> Column:
    kind = told.get("kind")
    null_share = _share(_object(told, "nulls", at), f"{at}.nulls")
    if kind == CATEGORY:
        counted: dict[str, int] = {}
        for number, item in enumerate(_list(told, "values", at)):
            place = f"{at}.values[{number}]"
            if not isinstance(item, Mapping) or not isinstance(item.get("value"), str):
                raise UndecidableError(f"the data report's {_at(place)} is no text with a count")
            if item["value"] in counted:
                raise UndecidableError(f"the data report's {_at(place)} is there twice")
            counted[item["value"]] = _count(item, "count", place)
        others = _count(_object(told, "others", at), "count", f"{at}.others")
        return Column(CATEGORY, null_share, categories=counted, others=others)
    if kind == NUMBER:
        infinite = _count(told, "infinite", at)
        null_share = min(1.0, null_share + infinite / rows) if rows else null_share
        return _of_numbers(kind, null_share, told, at)
    if kind == TEXT:
        return _of_numbers(kind, null_share, _object(told, "length", at), f"{at}.length")
    raise UndecidableError(
        f"the data report's {_at(f'{at}.kind')} is {_shown(kind)}, not one of {NUMBER},"
        f" {CATEGORY}, {TEXT}"
    )


def _of_numbers(kind: str, null_share: float, told: Mapping[str, Any], at: str) -> Column:
    sketch = _sketch(told, at)
    spread = _number(told, "standard_deviation", at) if sketch else 0.0
    if spread < 0:
        raise UndecidableError(f"the data report's {_at(f'{at}.standard_deviation')} is negative")
    return Column(kind, null_share, sketch, spread)


def _sketch(told: Mapping[str, Any], at: str) -> Sketch | None:
    name = "quantiles" if "quantiles" in told else "values"
    items = _list(told, name, at)
    numbers = tuple(finite(item) for item in items)
    points = tuple(number for number in numbers if number is not None)
    if len(points) < len(items):
        odd = numbers.index(None)
        raise UndecidableError(
            f"the data report's {_at(f'{at}.{name}[{odd}]')} is {_shown(items[odd])}, not a number"
        )
    steps = pairwise(points)
    if name == "quantiles":
        is_ascending = len(points) > 1 and all(one <= other for one, other in steps)
        sketch = Sketch(points)
    else:
        counts = _list(told, "counts", at)
        if len(counts) != len(points):
            raise UndecidableError(
                f"the data report's {_at(at)} has {len(points)} values and {len(counts)} counts"
            )
        for number, count in enumerate(counts):
            if not _is_count(count) or not count:
                raise UndecidableError(
                    f"the data report's {_at(f'{at}.counts[{number}]')} is {_shown(count)}, not a"
                    " count"
                )
        if not points:
            return None
        is_ascending = all(one < other for one, other in steps)
        sketch = Sketch.counted(points, counts)
    if not is_ascending:
        raise UndecidableError(f"the data report's {_at(f'{at}.{name}')} do not ascend")
    return sketch


def _object(told: Mapping[str, Any], name: str, at: str) -> Mapping[str, Any]:
    found = told.get(name)
    if not isinstance(found, Mapping):
        raise UndecidableError(_odd(told, name, at, "an object"))
    return found


def _list(told: Mapping[str, Any], name: str, at: str) -> list[Any]:
    found = told.get(name)
    if not isinstance(found, list) or len(found) > _MOST_POINTS:
        raise UndecidableError(_odd(told, name, at, f"a list of at most {_MOST_POINTS:,}"))
    return found


def _count(told: Mapping[str, Any], name: str, at: str) -> int:
    found = told.get(name)
    if not _is_count(found):
        raise UndecidableError(_odd(told, name, at, "a count"))
    return int(found)  # type: ignore[arg-type]


def _is_count(found: object) -> bool:
    is_whole = isinstance(found, int) and not isinstance(found, bool)
    return is_whole and 0 <= found <= _MOST_ROWS  # type: ignore[operator]


def _number(told: Mapping[str, Any], name: str, at: str) -> float:
    number = finite(told.get(name))
    if number is None:
        raise UndecidableError(_odd(told, name, at, "a number"))
    return number


def _share(told: Mapping[str, Any], at: str) -> float:
    share = _number(told, "share", at)
    if not 0 <= share <= 1:
        raise UndecidableError(_odd(told, "share", at, "from 0 to 1"))
    return share


def _odd(told: Mapping[str, Any], name: str, at: str, wanted: str) -> str:
    place = _at(f"{at}.{name}" if at else name)
    if name not in told:
        return f"the data report has no {place}"
    return f"the data report's {place} is {_shown(told[name])}, not {wanted}"


def _at(path: str) -> str:
    return one_line(path, _LONGEST_NAME * 3)


def _shown(value: object) -> str:
    if isinstance(value, str):
        return one_line(repr(value[:_LONGEST_NAME]), _LONGEST_NAME * 2)
    number = finite(value)
    return kind_of(value) if number is None else f"{number:g}"
