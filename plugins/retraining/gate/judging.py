"""A condition, judged: its operands are resolved from a report and a run's parameters."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

from retraining.gate import champion
from retraining.gate.conditions import (
    COMPARISONS,
    Condition,
    Equals,
    In,
    Literal,
    Metric,
    Not,
    Operand,
    Or,
    Parameter,
    fault_of,
)
from retraining.gate.report import UndecidableError, finite, kind_of, last_name, measured, value_at
from retraining.gate.wire_form import minimum_rows, to_wire
from retraining.gate.words import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Judgement:
    """One condition, judged.

    Attributes:
        condition: It in SageMaker's wire form, its metrics by path, its parameters by value.
        operands: The value of each operand by how the policy names it, and the counts of rows that
            were asked for.
        holds: Whether it is true.
        explanation: It in words, with the values: ``score = 0.58 is not ≥ 0.6``; one line, cut
            where it is very long.
        minimum_rows: How many rows its metrics had to rest on: see ``wire_form.minimum_rows``.
    """

    condition: Mapping[str, object]
    operands: Mapping[str, Literal]
    holds: bool
    explanation: str
    minimum_rows: tuple[Mapping[str, object], ...] = ()


def judge(condition: Condition, report: object, parameters: Mapping[str, object]) -> Judgement:
    """Resolve a condition's operands and say whether it holds.

    Raises:
        UndecidableError: An operand is missing, null, not finite, or of a type that cannot be
            compared with the other; or a metric rests on fewer rows than it asks for.
    """
    operands: dict[str, Literal] = {}

    def value(operand: Operand) -> Literal:
        found = _resolve(operand, report, parameters)
        if not isinstance(operand, int | float | str):
            operands[_name(operand)] = found
        if isinstance(operand, Metric) and operand.minimum_rows is not None:
            operands[operand.rows] = _counted(operand, operand.minimum_rows, report)
        return found

    def evaluate(condition: Condition) -> tuple[bool, str]:
        match condition:
            case Or(conditions):
                parts = [evaluate(part) for part in conditions]
                return any(holds for holds, _ in parts), " or ".join(
                    f"({text})" for _, text in parts
                )
            case Not(inner):
                holds, text = evaluate(inner)
                return not holds, f"not ({text})"
            case In(query, values):
                left = value(query)
                rights = [value(item) for item in values]
                for right in rights:
                    _check_comparable(condition, left, right)
                shown = ", ".join(_show(right) for right in rights)
                holds = left in rights
                return holds, f"{_said(query, left)} is {'' if holds else 'not '}in [{shown}]"
            case _:
                left, right = value(condition.left), value(condition.right)
                _check_comparable(condition, left, right)
                sign, compare = COMPARISONS[type(condition)]
                holds = bool(compare(left, right))
                word = "is" if holds else "is not"
                return holds, f"{_said(condition.left, left)} {word} {sign} {_show(right)}"

    try:
        holds, explanation = evaluate(condition)
    except UndecidableError as error:
        why = champion.why_unscored(report) if champion.asks_for_champion(condition) else ""
        raise UndecidableError(f"{why}; {error}") if why else error from error
    explanation = champion.in_words(condition, report, operands) or explanation
    return Judgement(
        to_wire(condition, parameters),
        operands,
        holds,
        one_line(explanation),
        minimum_rows(condition, parameters),
    )


def check_parameters(condition: Condition, parameters: Mapping[str, object]) -> None:
    """See that a run has what a condition needs of its parameters, before there is any report.

    Raises:
        UndecidableError: A parameter is missing, or no report could make the condition judgeable:
            its value is not finite, or of another type than what it is compared with.
    """
    match condition:
        case Or(conditions):
            for part in conditions:
                check_parameters(part, parameters)
            return
        case Not(inner):
            check_parameters(inner, parameters)
            return
        case In(query, several):
            items = (query, *several)
            given = [item for item in items if isinstance(item, Parameter)]
            pairs: list[tuple[Operand, Operand]] = [*product(given, items)]
        case _:
            pairs = [(condition.left, condition.right)]
    for pair in pairs:
        # A metric may be of any type yet; the other side alone must fit the condition.
        values = [_resolve(item, None, parameters) for item in pair if not isinstance(item, Metric)]
        names = dict.fromkeys(item.name for item in pair if isinstance(item, Parameter))
        if not names:
            continue
        try:
            _check_comparable(condition, values[0], values[-1])
        except UndecidableError as error:
            raise UndecidableError(f"parameter {' and '.join(names)}: {error}") from error


def _resolve(operand: Operand, report: object, parameters: Mapping[str, object]) -> Literal:
    match operand:
        case Metric(path):
            if isinstance(path, Parameter):
                raise TypeError(f"{path} is to choose the metric first: see `policy.chosen`")
            leaf = value_at(report, path)
            found = measured(leaf)
            what = path if found is leaf else f"{path}.value"
            return _checked(found, f"{what} of the report")
        case Parameter(name):
            if name not in parameters:
                raise UndecidableError(f"the run has no parameter {name}")
            return _checked(parameters[name], f"parameter {name}")
        case _:
            return operand


def _counted(metric: Metric, minimum: int, report: object) -> float:
    path = metric.rows
    try:
        found = measured(value_at(report, path))
    except UndecidableError as error:
        raise UndecidableError(
            f"{_name(metric)} asks for {minimum} rows, and the report does not count them: {error}"
        ) from error
    if finite(found) is None:
        raise UndecidableError(f"{path} of the report is {kind_of(found)}, not a number of rows")
    assert isinstance(found, int | float)  # noqa: S101 - what is finite is one
    if found < minimum:
        name = last_name(path)
        rows = f"{name} rows" if path == f"rows.{name}" else f"rows ({path})"
        raise UndecidableError(
            f"{_name(metric)} rests on {_show(found)} {rows}, fewer than the {minimum} it asks for"
        )
    return found


def _checked(value: object, what: str) -> Literal:
    if fault := fault_of(value):
        raise UndecidableError(f"{what} is {fault}")
    assert isinstance(value, int | float | str)  # noqa: S101 - what has no fault is one
    return value


def _check_comparable(condition: Condition, left: Literal, right: Literal) -> None:
    kinds = {_kind(left), _kind(right)}
    if len(kinds) > 1:
        raise UndecidableError(
            f"{_show(left)} ({_kind(left)}) cannot be compared with {_show(right)} ({_kind(right)})"
        )
    if not isinstance(condition, Equals | In) and kinds != {"number"}:
        sign, _ = COMPARISONS[type(condition)]
        raise UndecidableError(f"{_show(left)} is a {_kind(left)}; {sign} compares numbers only")


def _kind(value: Literal) -> str:
    if isinstance(value, bool):
        return "truth value"
    return "text" if isinstance(value, str) else "number"


def _name(operand: Operand) -> str:
    match operand:
        case Metric(path):
            return path if isinstance(path, str) else _name(path)
        case Parameter(name):
            return f"parameter {name}"
        case _:
            return _show(operand)


def _said(operand: Operand, value: Literal) -> str:
    return f"{_name(operand)} = {_show(value)}" if isinstance(operand, Metric) else _show(value)


def _show(value: Literal) -> str:
    # In full, never rounded: 0.5999999 must not read "0.6 is not ≥ 0.6".
    shown = json.dumps(value, ensure_ascii=False)
    # Half a letter, say, cannot be written into a log.
    return shown if shown.isprintable() else json.dumps(value)
