"""The conditions of a gate, with SageMaker Pipelines' names and meanings.

An operand is a number, a text or a truth value written in the policy, a ``Metric`` of the
evaluation report (Pipelines: JsonGet), or a ``Parameter`` of the run (ParameterFloat …).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from retraining.gate.report import UndecidableError, finite, kind_of, value_at

Literal = int | float | str | bool


@dataclass(frozen=True, slots=True)
class Parameter:
    """A value that the DAG run was given."""

    name: str


@dataclass(frozen=True, slots=True)
class Metric:
    """A value in the evaluation report.

    Attributes:
        path: As in ``JsonGet``: names joined by dots, list indices in brackets, a name with
            other characters quoted in brackets: ``metrics['f1.macro'][0]``. Where it leads to
            SageMaker's ``{"value": …, "standard_deviation": …}``, its value is meant. Or the
            parameter of the run that is such a path.
    """

    path: str | Parameter


Operand = Literal | Metric | Parameter


@dataclass(frozen=True, slots=True)
class Equals:
    """Left and right are the same number, text or truth value."""

    left: Operand
    right: Operand


@dataclass(frozen=True, slots=True)
class GreaterThan:
    """Left > right; both are numbers, as in the next three."""

    left: Operand
    right: Operand


@dataclass(frozen=True, slots=True)
class GreaterThanOrEqualTo:
    """Left ≥ right."""

    left: Operand
    right: Operand


@dataclass(frozen=True, slots=True)
class LessThan:
    """Left < right."""

    left: Operand
    right: Operand


@dataclass(frozen=True, slots=True)
class LessThanOrEqualTo:
    """Left ≤ right."""

    left: Operand
    right: Operand


@dataclass(frozen=True, slots=True)
class In:
    """The value equals one of several."""

    value: Operand
    in_values: tuple[Operand, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The condition does not hold."""

    condition: Condition


@dataclass(frozen=True, slots=True)
class Or:
    """At least one condition holds. All of them are resolved, whichever holds first."""

    conditions: tuple[Condition, ...]


Comparison = Equals | GreaterThan | GreaterThanOrEqualTo | LessThan | LessThanOrEqualTo
Condition = Comparison | In | Not | Or


@dataclass(frozen=True, slots=True)
class Judgement:
    """One condition, judged.

    Attributes:
        condition: It in SageMaker's wire form, its metrics by path, its parameters by value.
        operands: The value of each operand by how the policy names it.
        holds: Whether it is true.
        explanation: It in words, with the values: ``score = 0.58 is not ≥ 0.6``.
    """

    condition: Mapping[str, object]
    operands: Mapping[str, Literal]
    holds: bool
    explanation: str


_SIGNS: Mapping[type, tuple[str, Callable[[Any, Any], bool]]] = {
    Equals: ("=", lambda left, right: left == right),
    GreaterThan: (">", lambda left, right: left > right),
    GreaterThanOrEqualTo: ("≥", lambda left, right: left >= right),
    LessThan: ("<", lambda left, right: left < right),
    LessThanOrEqualTo: ("≤", lambda left, right: left <= right),
}
# By the type's name in the wire form.
SIGNS: Mapping[str, str] = {kind.__name__: sign for kind, (sign, _) in _SIGNS.items()}


def judge(condition: Condition, report: object, parameters: Mapping[str, object]) -> Judgement:
    """Resolve a condition's operands and say whether it holds.

    Raises:
        UndecidableError: An operand is missing, null, not finite, or of a type that cannot be
            compared with the other.
    """
    operands: dict[str, Literal] = {}

    def value(operand: Operand) -> Literal:
        found = _resolve(operand, report, parameters)
        if not isinstance(operand, int | float | str):
            operands[_name(operand)] = found
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
                sign, compare = _SIGNS[type(condition)]
                holds = bool(compare(left, right))
                word = "is" if holds else "is not"
                return holds, f"{_said(condition.left, left)} {word} {sign} {_show(right)}"

    holds, explanation = evaluate(condition)
    return Judgement(to_wire(condition, parameters), operands, holds, explanation)


def to_wire(condition: Condition, parameters: Mapping[str, object]) -> dict[str, object]:
    """Return a condition as a SageMaker pipeline definition writes it.

    Source: the pipeline definition JSON schema, ``Conditions`` of a ``Condition`` step. A metric
    is written as its path, as the report is always the run's own; a parameter as its value.
    """

    def operand(item: Operand) -> object:
        match item:
            case Metric(path):
                return {"Std:JsonGet": {"Path": operand(path)}}
            case Parameter(name):
                return parameters.get(name)
            case _:
                return item

    kind = type(condition).__name__
    match condition:
        case Or(conditions):
            return {"Type": kind, "Conditions": [to_wire(item, parameters) for item in conditions]}
        case Not(inner):
            return {"Type": kind, "Condition": to_wire(inner, parameters)}
        case In(query, values):
            shown = [operand(item) for item in values]
            return {"Type": kind, "QueryValue": operand(query), "Values": shown}
        case _:
            left, right = operand(condition.left), operand(condition.right)
            return {"Type": kind, "LeftValue": left, "RightValue": right}


def _resolve(operand: Operand, report: object, parameters: Mapping[str, object]) -> Literal:
    match operand:
        case Metric(path):
            if isinstance(path, Parameter):
                raise TypeError(f"{path} is to choose the metric first: see `policy.chosen`")
            found = value_at(report, path)
            if isinstance(found, Mapping) and "value" in found:
                found, path = found["value"], f"{path}.value"
            return _checked(found, f"{path} of the report")
        case Parameter(name):
            if name not in parameters:
                raise UndecidableError(f"the run has no parameter {name}")
            return _checked(parameters[name], f"parameter {name}")
        case _:
            return _checked(operand, "a value of the policy")


def _checked(value: object, what: str) -> Literal:
    if isinstance(value, float) and not math.isfinite(value):
        raise UndecidableError(f"{what} is {value}, not a finite number")
    if isinstance(value, int) and not isinstance(value, bool) and finite(value) is None:
        raise UndecidableError(f"{what} is {kind_of(value)}, not a finite number")
    if not isinstance(value, int | float | str):
        raise UndecidableError(f"{what} is {kind_of(value)}, not a number, text or truth value")
    return value


def _check_comparable(condition: Condition, left: Literal, right: Literal) -> None:
    kinds = {_kind(left), _kind(right)}
    if len(kinds) > 1:
        raise UndecidableError(
            f"{_show(left)} ({_kind(left)}) cannot be compared with {_show(right)} ({_kind(right)})"
        )
    if not isinstance(condition, Equals | In) and kinds != {"number"}:
        sign, _ = _SIGNS[type(condition)]
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
