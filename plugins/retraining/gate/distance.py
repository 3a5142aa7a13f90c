"""How far apart the data of two nights are, from the reports of both."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING

from retraining.gate import sketch as sketches
from retraining.gate.data_report import CATEGORY

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from retraining.gate.data_report import Column, DataReport

# Each also has its greatest over all columns, with the column's name.
OF_COLUMNS = (
    "stability_index", "kolmogorov_smirnov", "jensen_shannon", "median_change",
    "null_share_increase",
)  # fmt: skip
_MOST_NAMES = 20


def of_tonight(tonight: DataReport) -> dict[str, object]:
    """Return what can be said of a night's data without another's, as a policy names it.

    ``rows``, ``duplicate_share``, and ``greatest_null_share`` with its ``column``.
    """
    return {
        "rows": tonight.rows,
        "duplicate_share": tonight.duplicate_share,
        "greatest_null_share": _greatest(
            (column.null_share, name) for name, column in tonight.columns.items()
        ),
    }


def between(baseline: DataReport, tonight: DataReport) -> dict[str, object]:
    """Return how far tonight's data are from a baseline's, as a policy names it.

    Returns:
        ``row_ratio``, tonight's rows per row of the baseline; ``duplicate_share_increase``; of
        ``OF_COLUMNS`` each greatest, ``greatest_…``, as ``value`` and ``column``: 0 and "" where no
        column has such a distance; ``columns_appeared`` and ``columns_vanished``, their number as
        ``value``, the first as ``column`` and more as ``columns``, a column of another kind in
        both; and ``columns``, the distances of each by its name.
    """
    columns = {
        name: {
            measure: _short(value)
            for measure, value in _of_column(column, tonight.columns[name]).items()
        }
        for name, column in baseline.columns.items()
        if name in tonight.columns and tonight.columns[name].kind == column.kind
    }
    return {
        "row_ratio": _short(sketches.in_units(tonight.rows, baseline.rows)),
        "duplicate_share_increase": _short(tonight.duplicate_share - baseline.duplicate_share),
        **{
            f"greatest_{measure}": _greatest(
                (
                    abs(distances[measure]) if measure == "median_change" else distances[measure],
                    name,
                )
                for name, distances in columns.items()
                if measure in distances
            )
            for measure in OF_COLUMNS
        },
        "columns_appeared": _named([name for name in tonight.columns if name not in columns]),
        "columns_vanished": _named([name for name in baseline.columns if name not in columns]),
        "columns": columns,
    }


def _of_column(baseline: Column, tonight: Column) -> dict[str, float]:
    nulls = {"null_share_increase": tonight.null_share - baseline.null_share}
    if baseline.kind == CATEGORY:
        expected, found = _category_shares(baseline, tonight)
        if not sum(expected) or not sum(found):
            return nulls
        return {
            "stability_index": sketches.stability_index(expected, found),
            "jensen_shannon": sketches.jensen_shannon(expected, found),
            **nulls,
        }
    before, now = baseline.sketch, tonight.sketch
    if before is None or now is None:
        return nulls
    expected, found = sketches.shares(before, before), sketches.shares(now, before)
    return {
        "stability_index": sketches.stability_index(expected, found),
        "kolmogorov_smirnov": sketches.kolmogorov_smirnov(before, now),
        "median_change": sketches.in_units(
            now.median - before.median,
            before.interquartile_range,
            baseline.standard_deviation,
            abs(before.median),
        ),
        **nulls,
    }


def _category_shares(baseline: Column, tonight: Column) -> tuple[list[float], list[float]]:
    """Return the shares of the categories of both.

    One that only one report tells, though the other has untold ones, is among the others in both:
    nobody can say how often it is there.
    """
    pairs, rest = [], [baseline.others, tonight.others]
    for name in {**baseline.categories, **tonight.categories}:
        counts = baseline.categories.get(name), tonight.categories.get(name)
        is_told = [
            count is not None or not column.others
            for count, column in zip(counts, (baseline, tonight), strict=True)
        ]
        if all(is_told):
            pairs.append([count or 0 for count in counts])
        else:
            rest = [so_far + (count or 0) for so_far, count in zip(rest, counts, strict=True)]
    columns = list(zip(*pairs, rest, strict=True))
    expected, found = ([count / (sum(column) or 1) for count in column] for column in columns)
    return expected, found


def _short(value: float) -> float:
    """Return a value with as many digits as mean something."""
    return float(f"{value:.6g}")


def _greatest(found: Iterable[tuple[float, str]]) -> Mapping[str, object]:
    value, column = max(found, key=itemgetter(0), default=(0.0, ""))
    # Where none is far, none is to be named.
    return {"value": value, "column": column if value > 0 else ""}


def _named(names: Sequence[str]) -> Mapping[str, object]:
    return {
        "value": len(names),
        "column": names[0] if names else "",
        "columns": list(names[:_MOST_NAMES]),
    }
