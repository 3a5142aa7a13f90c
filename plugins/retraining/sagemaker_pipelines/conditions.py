"""The conditions of a Condition step: SageMaker Pipelines' own, on operands of any origin.

The gate's ``conditions`` are a policy about one report, and refuse what such a policy cannot mean,
for instance a comparison of two parameters; Pipelines allows it. What both share, the comparisons
and what an operand may be, is the gate's.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

from retraining.gate import wire_reader
from retraining.gate.conditions import COMPARISONS, fault_of, shown
from retraining.gate.headline import HIGHER, LOWER, Headline
from retraining.gate.judging import Judgement
from retraining.gate.report import canonical
from retraining.gate.wire_reader import Comparison, Condition, In, Not, Or
from retraining.gate.words import one_line
from retraining.sagemaker_pipelines.references import (
    DefinitionError,
    Execution,
    Join,
    JsonGet,
    Parameter,
    Property,
    PropertyFile,
    Reference,
    Run,
    UnresolvedError,
    parsed,
    resolved,
    spelled,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_COMPARE = {kind.__name__: comparison for kind, comparison in COMPARISONS.items()}
_OPPOSITES = {
    "GreaterThan": "LessThanOrEqualTo", "GreaterThanOrEqualTo": "LessThan",
    "LessThan": "GreaterThanOrEqualTo", "LessThanOrEqualTo": "GreaterThan",
}  # fmt: skip


class IncomparableError(UnresolvedError):
    """Two operands cannot be compared, or one is no number, text or truth value."""


def parsed_conditions(wire: object, where: str) -> tuple[Condition, ...]:
    """Return the conditions of a step.

    Raises:
        DefinitionError: They are malformed.
    """
    try:
        return wire_reader.parsed(wire, where, operand=_operand)
    except wire_reader.WireFormError as error:
        raise DefinitionError(str(error)) from error


def operands_of(conditions: tuple[Condition, ...]) -> Iterator[object]:
    """Yield each operand, in the order in which it stands."""
    for condition in conditions:
        match condition:
            case Comparison(_, left, right):
                yield from (left, right)
            case In(value, values):
                yield from (value, *values)
            case Not(inner):
                yield from operands_of((inner,))
            case Or(inner_conditions):
                yield from operands_of(inner_conditions)


def judged(conditions: tuple[Condition, ...], run: Run) -> tuple[Judgement, ...]:
    """Resolve all operands, and then say of each condition whether it holds.

    No condition is left out because an earlier one has decided: what cannot be compared fails the
    step wherever it stands.

    Raises:
        UnresolvedError: An operand leads to nothing.
        IncomparableError: An operand is no finite number, text or truth value; or two are of kinds
            that are never compared.
    """
    values: dict[object, object] = {}
    for operand in operands_of(conditions):
        if isinstance(operand, Reference):
            values[operand] = _checked(resolved(operand, run), spelled(operand))
    return tuple(_judgement(condition, values) for condition in conditions)


def _judgement(condition: Condition, values: Mapping[object, object]) -> Judgement:
    references = dict.fromkeys(
        operand for operand in operands_of((condition,)) if isinstance(operand, Reference)
    )
    paths = Counter(operand.path for operand in references if isinstance(operand, JsonGet))
    operands = {
        # As the gate's records have a metric, where there is no other of this path.
        operand.path
        if isinstance(operand, JsonGet) and paths[operand.path] == 1
        else spelled(operand): values[operand]
        for operand in references
    }
    holds, text = _evaluated(condition, values)
    wire = to_wire(condition, values)
    return Judgement(wire, operands, holds, one_line(text))  # type: ignore[arg-type]


def _evaluated(condition: Condition, values: Mapping[object, object]) -> tuple[bool, str]:
    def value(operand: object) -> object:
        return values[operand] if isinstance(operand, Reference) else operand

    def said(operand: object) -> str:
        told = json.dumps(value(operand), ensure_ascii=False)
        return f"{spelled(operand)} = {told}" if isinstance(operand, Reference) else told

    match condition:
        case Or(conditions):
            parts = [_evaluated(part, values) for part in conditions]
            return any(holds for holds, _ in parts), " or ".join(f"({text})" for _, text in parts)
        case Not(inner):
            holds, text = _evaluated(inner, values)
            return not holds, f"not ({text})"
        case In(query, several):
            left = value(query)
            holds = any(_is_same(left, value(item)) for item in several)
            listed = ", ".join(map(said, several))
            return holds, f"{said(query)} is {'' if holds else 'not '}in [{listed}]"
        case Comparison(kind, left, right):
            one, other = value(left), value(right)
            sign, compare = _COMPARE[kind]
            _check_comparable(kind, one, other)
            holds = bool(compare(one, other))
            return holds, f"{said(left)} is {'' if holds else 'not '}{sign} {said(right)}"


def _check_comparable(kind: str, left: object, right: object) -> None:
    kinds = _kind(left), _kind(right)
    # The local executor compares the types of equals strictly, and orders numbers of either type.
    numbers = kinds in {("Integer", "Float"), ("Float", "Integer")} and kind != "Equals"
    if not numbers and kinds[0] != kinds[1]:
        raise IncomparableError(
            f"{kind}: {shown(left)} ({kinds[0]}) cannot be compared with {shown(right)}"
            f" ({kinds[1]})"
        )
    if kind != "Equals" and kinds[0] == "Boolean":
        raise IncomparableError(f"{kind}: {shown(left)} and {shown(right)} have no order")


def _is_same(left: object, right: object) -> bool:
    if "Boolean" in {_kind(left), _kind(right)} and _kind(left) != _kind(right):
        return False
    return left == right


def _kind(value: object) -> str:
    kinds: dict[type, str] = {bool: "Boolean", int: "Integer", float: "Float", str: "String"}
    return kinds[type(value)]


def _checked(value: object, what: str) -> object:
    if fault := fault_of(value):
        raise IncomparableError(f"{what} is {fault}")
    return value


def _operand(wire: object, where: str) -> object:
    operand = parsed(wire, where)
    if isinstance(operand, Reference):
        return operand
    if fault := fault_of(operand):
        raise DefinitionError(f"{where} is {fault}")
    return operand


def to_wire(
    condition: Condition, values: Mapping[object, object] | None = None
) -> dict[str, object]:
    """Return a condition as records keep it: its references by how they are spelled.

    Args:
        condition: The condition.
        values: What references led to; instead of one that is in it, but for a report's value,
            stands its value.
    """
    known = values or {}

    def operand(item: object) -> object:
        match item:
            case JsonGet(source, path):
                # As the gate's records have a metric, so that their readers find its bound.
                return {"Std:JsonGet": {"Path": path, "From": operand(source)}}
            case Parameter() | Execution() | Property() | PropertyFile() | Join():
                return known[item] if item in known else {"Get": spelled(item)}
            case _:
                return item

    match condition:
        case Comparison(kind, left, right):
            return {"Type": kind, "LeftValue": operand(left), "RightValue": operand(right)}
        case In(value, several):
            listed = [operand(item) for item in several]
            return {"Type": "In", "QueryValue": operand(value), "Values": listed}
        case Not(inner):
            return {"Type": "Not", "Condition": to_wire(inner, known)}
        case Or(conditions):
            return {"Type": "Or", "Conditions": [to_wire(item, known) for item in conditions]}


def negated(conditions: tuple[Condition, ...]) -> tuple[Condition, ...]:
    """Return what holds if not all of the conditions do: a single comparison is turned around."""
    match conditions:
        case (Comparison(kind, left, right),) if kind in _OPPOSITES:
            return (Comparison(_OPPOSITES[kind], left, right),)
        case (Not(inner),):
            return (inner,)
        case (inner,):
            return (Not(inner),)
        case _:
            return (Or(tuple(Not(inner) for inner in conditions)),)


def shown_by(conditions: tuple[Condition, ...]) -> tuple[JsonGet, str] | None:
    """Return the first value of a report that conditions compare, and which way is better."""
    for condition in conditions:
        match condition:
            case Comparison(kind, JsonGet() as value, right) if kind in _OPPOSITES:
                if not isinstance(right, JsonGet):
                    return value, HIGHER if "Greater" in kind else LOWER
            case Comparison(kind, _, JsonGet() as value) if kind in _OPPOSITES:
                return value, LOWER if "Greater" in kind else HIGHER
            case Not(inner) if found := shown_by((inner,)):
                return found[0], LOWER if found[1] == HIGHER else HIGHER
            case Or(several) if found := shown_by(several):
                return found
    return None


def headline_of(conditions: tuple[Condition, ...]) -> Headline | None:
    """Return what a run is shown by that such conditions have judged."""
    found = shown_by(conditions)
    return Headline(canonical(found[0].path), found[1]) if found else None
