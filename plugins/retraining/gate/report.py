"""The one reader of evaluation reports: what a path leads to, and which metrics there are.

A report is any JSON. Its metrics are found in SageMaker's shapes for model quality
(``regression_metrics``, ``binary_classification_metrics``, ``multiclass_classification_metrics``;
leaves ``{"value": …, "standard_deviation": …}``) and as plain numbers, at any depth and in lists.
https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-model-quality-metrics.html
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice

from retraining.gate.words import one_line

# Of a normal distribution, so much of the standard deviation to each side holds 95 %.
_HALF_95 = 1.96
# Tables and curves that SageMaker puts among a model's metrics.
_NO_METRICS = re.compile(r"confusion_matrix|\w+_curve")
_SECTION = re.compile(r"(\w+_)?metrics")
_ROWS = "rows"
# What is about another model than the report's.
OF_CHAMPION = ("champion", "difference", "against_champion")
# A longer list is data, such as a curve or the residuals of all rows.
_LONGEST_LIST = 100
# No deeper than Python can walk, and no more than a table can hold, whatever a report is.
_DEEPEST, _MOST = 100, 1_000
_SHOWN_KEYS, _LONGEST_KEY = 20, 60
_PLAIN_NAME = re.compile(r"""[^.\[\]'"\s]+""")
_STEP = re.compile(
    r"""(?:^|\.)(?P<name>[^.\[\]'"\s]+)|\[(?P<index>[0-9]{1,9})\]"""
    r"""|\[(?P<quote>['"])(?P<key>.*?)(?P=quote)\]""",
    re.DOTALL,
)


class UndecidableError(Exception):
    """A value is missing, or is not what a gate can judge; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Measure:
    """A metric's value.

    Attributes:
        value: A finite number.
        standard_deviation: Of the value, over bootstrap samples for instance; None if the report
            has none.
    """

    value: float
    standard_deviation: float | None = None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval, normal approximation; None without a standard deviation."""
        if self.standard_deviation is None:
            return None
        half = _HALF_95 * self.standard_deviation
        return self.value - half, self.value + half


@dataclass(frozen=True, slots=True)
class Metrics:
    """What a report says of a model, in the report's order.

    Attributes:
        measures: By path, as a policy's ``Metric`` names it: ``a_metrics.score``.
        unusable: What is at a metric's place and is no finite number, by path: ``NaN``, ``null``.
        rows: How many rows snapshot and splits had, by what they are.
    """

    measures: Mapping[str, Measure] = field(default_factory=dict)
    unusable: Mapping[str, str] = field(default_factory=dict)
    rows: Mapping[str, int] = field(default_factory=dict)


def parse(report: bytes) -> object:
    """Parse a report.

    Raises:
        UndecidableError: It is not JSON, or it says two things: an object has a key twice.
    """
    try:
        return json.loads(report, object_pairs_hook=_object)
    except ValueError as error:
        # Besides JSON's own errors: no UTF-8, or a number with thousands of digits.
        raise UndecidableError(f"the report is not JSON: {error}") from error
    except RecursionError as error:
        raise UndecidableError("the report is nested too deeply") from error


def value_at(report: object, path: str) -> object:
    """Return what a path leads to.

    Args:
        report: The parsed report.
        path: As in SageMaker Pipelines' ``JsonGet``: names joined by dots, list indices in
            brackets, a name with other characters quoted in brackets: ``metrics['f1.macro'][0]``.

    Raises:
        UndecidableError: The path is malformed, or leads nowhere.
    """
    found, position = report, 0
    while position < len(path):
        step = _STEP.match(path, position)
        if step is None:
            raise UndecidableError(
                f"the policy's path {path!r} is malformed at {path[position:]!r}"
            )
        walked = path[:position] or "the report"
        position = step.end()
        if step["index"] is not None:
            if not isinstance(found, list) or int(step["index"]) >= len(found):
                raise UndecidableError(f"{walked} has no element {step['index']}")
            found = found[int(step["index"])]
        else:
            key = step["name"] or step["key"]
            if not isinstance(found, Mapping):
                raise UndecidableError(f"{walked} has no {key!r}: it is not an object")
            if key not in found:
                raise UndecidableError(f"{walked} has no {key!r}; it has {_listed(found)}")
            found = found[key]
    return found


def measured(leaf: object) -> object:
    """Return the value of a metric: its leaf itself, or what the leaf's ``value`` holds.

    A metric has several spellings, ``m.score`` and ``m.score.value``; this is what makes them one.
    """
    while isinstance(leaf, Mapping) and "value" in leaf:
        leaf = leaf["value"]
    return leaf


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        counted = Counter(key for key, _ in pairs)
        twice = [key for key, count in counted.items() if count > 1]
        raise UndecidableError(f"the report says two things: an object has {_listed(twice)} twice")
    return found


def _listed(keys: Iterable[str]) -> str:
    known = sorted(keys)
    shown = [one_line(key, _LONGEST_KEY) for key in known[:_SHOWN_KEYS]]
    several = [f"{len(known) - _SHOWN_KEYS} more"] if len(known) > _SHOWN_KEYS else []
    return ", ".join([*shown, *several]) or "nothing"


def is_path(path: str) -> bool:
    """Say whether ``value_at`` can walk a path."""
    position = 0
    while position < len(path):
        step = _STEP.match(path, position)
        if step is None:
            return False
        position = step.end()
    return position > 0


def canonical(path: str) -> str:
    """Return the one spelling of a path, which leads to a metric's leaf and not to its ``value``.

    ``m["score"].value`` and ``m.score`` are one metric: ``m.score``. A path that is
    malformed stays as it is.
    """
    if not is_path(path):
        return path
    steps = [*_STEP.finditer(path)]
    while len(steps) > 1 and (steps[-1]["name"] or steps[-1]["key"]) == "value":
        steps.pop()
    spelled: str | None = ""
    for step in steps:
        if spelled is None:
            return path
        if step["index"] is not None:
            spelled += f"[{int(step['index'])}]"
        else:
            spelled = _step(spelled, step["name"] or step["key"])
    return spelled or path


def metric_path(section: str, name: str) -> str | None:
    """Return the path of a metric of a section; None if no path can name it."""
    at = _step("", section)
    return None if at is None else _step(at, name)


def metrics_in(report: object, *, named: Iterable[str] = ()) -> Metrics:
    """Find the metrics of a parsed report, whatever its shape.

    A metric is each leaf with a ``value``, each number in a section that is called ``metrics`` or
    ends with ``_metrics``, and what ``named`` leads to. A report without such a leaf or section is
    taken as numbers with names: each of them is one. A list of more than 100 elements is data, such
    as a curve, and holds none; of more than 1,000 metrics the first are found.

    Args:
        report: The parsed report.
        named: Paths that are metrics wherever they lead, as a policy or a headline names them.
    """
    plain = report if isinstance(report, Mapping) else {}
    found = dict(islice(_walk(report, "", 0, is_metric=False), _MOST)) or {
        path: value
        for path, value in islice(_walk(plain, "", 0, is_metric=True), _MOST)
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    for path in named:
        try:
            found.setdefault(canonical(path), value_at(report, path))
        except UndecidableError:
            # Whoever judges by it says so; there is nothing to show.
            continue
    measures, unusable = {}, {}
    for path, leaf in found.items():
        value = measured(leaf)
        number = finite(value)
        if number is None:
            unusable[path] = kind_of(value)
        else:
            spread = leaf.get("standard_deviation") if isinstance(leaf, Mapping) else None
            measures[path] = Measure(number, finite(spread))
    return Metrics(measures, unusable, _row_counts(report))


def names(paths: Iterable[str]) -> dict[str, str]:
    """Return what to call metrics where there is little room: the last part of a path.

    Two that would have the same name keep their paths.
    """
    kept = list(dict.fromkeys(paths))
    count = Counter(map(last_name, kept))
    return {path: path if count[last_name(path)] > 1 else last_name(path) for path in kept}


def last_name(path: str) -> str:
    """Return the last name of a path: ``score`` of ``a_metrics.score.value``."""
    steps = [step["name"] or step["key"] or step[0] for step in _STEP.finditer(path)]
    while len(steps) > 1 and steps[-1] == "value":
        steps.pop()
    # An index alone says nothing.
    last = next((at for at in range(len(steps) - 1, -1, -1) if not steps[at].startswith("[")), 0)
    return "".join(steps[last:]) or path


def finite(value: object) -> float | None:
    """Return a value of a report or record as a number; None if it is no finite one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


def kind_of(value: object) -> str:
    """Say what a value is that is no finite number: ``NaN``, ``a truth value``, ``a text``."""
    if isinstance(value, float):
        return "NaN" if math.isnan(value) else str(value)
    kinds: dict[type, str] = {
        type(None): "null",
        bool: "a truth value",
        int: "too large a number",
        str: "a text",
        list: "a list",
    }
    return kinds.get(type(value), "an object")


def _walk(value: object, path: str, depth: int, *, is_metric: bool) -> Iterator[tuple[str, object]]:
    if depth > _DEEPEST:
        return
    if isinstance(value, Mapping):
        if "value" in value and path:
            yield path, value
            return
        for key, inner in value.items():
            if _NO_METRICS.fullmatch(key) or (not path and key in {_ROWS, *OF_CHAMPION}):
                continue
            step = _step(path, key)
            if step is not None:
                inside = is_metric or bool(_SECTION.fullmatch(key))
                yield from _walk(inner, step, depth + 1, is_metric=inside)
    elif isinstance(value, list):
        for index, inner in enumerate(value if len(value) <= _LONGEST_LIST else ()):
            yield from _walk(inner, f"{path}[{index}]", depth + 1, is_metric=is_metric)
    elif is_metric and path:
        yield path, value


def _step(path: str, key: str) -> str | None:
    if _PLAIN_NAME.fullmatch(key):
        return f"{path}.{key}" if path else key
    for quote in "'\"":
        if f"{quote}]" not in key and key:
            return f"{path}[{quote}{key}{quote}]"
    # No path can name it, so no policy can ask for it.
    return None


def _row_counts(report: object) -> dict[str, int]:
    rows = report.get(_ROWS) if isinstance(report, Mapping) else None
    counts = rows.items() if isinstance(rows, Mapping) else ()
    return {name: int(number) for name, count in counts if (number := finite(count)) is not None}
