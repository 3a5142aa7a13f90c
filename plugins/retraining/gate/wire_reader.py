"""Reads conditions from their wire form, as a pipeline definition or a decision record has them.

What an operand may be is up to who reads: a definition's may come from anywhere, a policy's from
one report and the run's parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from retraining.gate.conditions import SIGNS, PolicyError, shown

# Both spellings of In: the SDK's, and that of the public schema.
_IN = (("QueryValue", "Values"), ("Value", "In"))
_DEEPEST = 20


@dataclass(frozen=True, slots=True)
class Comparison:
    """One of the five comparisons, by the name of its type."""

    kind: str
    left: object
    right: object


@dataclass(frozen=True, slots=True)
class In:
    """The value is one of several."""

    value: object
    values: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The condition does not hold."""

    condition: Condition


@dataclass(frozen=True, slots=True)
class Or:
    """One of the conditions holds."""

    conditions: tuple[Condition, ...]


Condition = Comparison | In | Not | Or


class WireFormError(PolicyError):
    """Conditions are malformed; the message says where."""


def parsed(
    wire: object,
    where: str,
    *,
    operand: Callable[[object, str], object],
    with_expressions: bool = False,
) -> tuple[Condition, ...]:
    """Return the conditions of a list.

    Args:
        wire: The list.
        where: What a message calls it.
        operand: Makes an operand of what is written for it; its second argument says where.
        with_expressions: Whether a Not may have an Expression, as in older records, for its
            Condition. SageMaker refuses it.

    Raises:
        WireFormError: They are malformed.
    """
    if not isinstance(wire, list) or not wire:
        raise WireFormError(f"{where} is {shown(wire)}, not a list of conditions")
    reader = _Reader(operand, with_expressions)
    return tuple(reader.condition(item, f"{where}[{index}]", 1) for index, item in enumerate(wire))


@dataclass(frozen=True, slots=True)
class _Reader:
    operand: Callable[[object, str], object]
    with_expressions: bool

    def condition(self, wire: object, where: str, depth: int) -> Condition:
        if depth > _DEEPEST:
            raise WireFormError(f"{where}: conditions are nested deeper than {_DEEPEST}")
        if not isinstance(wire, Mapping):
            raise WireFormError(f"{where} is {shown(wire)}, not a condition")
        kind = wire.get("Type")
        if isinstance(kind, str) and kind in SIGNS:
            left, right = _members(wire, ("LeftValue", "RightValue"), where)
            return Comparison(
                kind,
                self.operand(left, f"{where}.LeftValue"),
                self.operand(right, f"{where}.RightValue"),
            )
        if kind == "In":
            members = set(wire) - {"Type"}
            names = next((names for names in _IN if members == set(names)), _IN[0])
            query, several = _members(wire, names, where)
            if not isinstance(several, list) or not several:
                raise WireFormError(f"{where}.{names[1]} is {shown(several)}, not a list of values")
            values = tuple(
                self.operand(item, f"{where}.{names[1]}[{index}]")
                for index, item in enumerate(several)
            )
            return In(self.operand(query, f"{where}.{names[0]}"), values)
        if kind == "Not":
            if "Expression" in wire and not self.with_expressions:
                raise WireFormError(
                    f"{where}: Not has an Expression, which SageMaker refuses; the member is"
                    " Condition"
                )
            member = "Expression" if "Expression" in wire else "Condition"
            (inner,) = _members(wire, (member,), where)
            return Not(self.condition(inner, f"{where}.{member}", depth + 1))
        if kind == "Or":
            (several,) = _members(wire, ("Conditions",), where)
            if not isinstance(several, list) or not several:
                raise WireFormError(f"{where}.Conditions is {shown(several)}, not a list")
            return Or(
                tuple(
                    self.condition(item, f"{where}.Conditions[{index}]", depth + 1)
                    for index, item in enumerate(several)
                )
            )
        raise WireFormError(f"{where}: {shown(kind)} is no type of condition")


def _members(wire: Mapping[str, object], names: tuple[str, ...], where: str) -> tuple[object, ...]:
    if missing := [name for name in names if name not in wire]:
        raise WireFormError(f"{where} ({wire['Type']}) lacks {', '.join(missing)}")
    if unknown := sorted(set(wire) - {"Type", *names}):
        raise WireFormError(f"{where} ({wire['Type']}) has {', '.join(unknown)}, unknown there")
    return tuple(wire[name] for name in names)
