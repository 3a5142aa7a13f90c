"""The conditions of a gate, with SageMaker Pipelines' names and meanings.

An operand is a number, a text or a truth value written in the policy, a ``Metric`` of the
evaluation report (Pipelines: JsonGet), or a ``Parameter`` of the run (ParameterFloat …). What
cannot be meant, such as a condition that always holds, is refused when it is made.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any

from retraining.gate.report import canonical, finite, is_path, kind_of
from retraining.gate.words import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Literal = int | float | str | bool
# Of a text that is compared: each goes into the decision's record.
_LONGEST_TEXT = 1_000
# Not deeper than Python can walk.
_DEEPEST = 20
# A record keeps it as a 32-bit number.
_MOST_ROWS = 2**31 - 1


class PolicyError(ValueError):
    """A condition or a policy cannot be meant; the message says why."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A value that the DAG run was given.

    Raises:
        PolicyError: The name is no text, or is empty.
    """

    name: str

    def __post_init__(self) -> None:
        """Check the name."""
        if not isinstance(self.name, str) or not self.name:
            raise PolicyError(f"Parameter({shown(self.name)}): a parameter's name is wanted")


@dataclass(frozen=True, slots=True)
class Metric:
    """A value in the evaluation report.

    Attributes:
        path: As in ``JsonGet``: names joined by dots, list indices in brackets, a name with
            other characters quoted in brackets: ``metrics['f1.macro'][0]``. Where it leads to
            SageMaker's ``{"value": …, "standard_deviation": …}``, its value is meant. Or the
            parameter of the run that is such a path.
        minimum_rows: How many rows it must rest on: a report that counts fewer, or does not count
            them, cannot be judged. None asks for none.
        rows: The path of that count in the report.

    Raises:
        PolicyError: The path is neither, or what is asked of the rows cannot be meant.
    """

    path: str | Parameter
    _: KW_ONLY
    minimum_rows: int | None = None
    rows: str = "rows.test"

    def __post_init__(self) -> None:
        """Check the paths and the number."""
        paths = [self.rows] if isinstance(self.path, Parameter) else [self.path, self.rows]
        for path in paths:
            if not isinstance(path, str) or not is_path(path):
                raise PolicyError(f"Metric: {shown(path)} is no path in a report, such as a.score")
        if self.minimum_rows is None:
            return
        is_whole = isinstance(self.minimum_rows, int) and not isinstance(self.minimum_rows, bool)
        if not is_whole or not 1 <= self.minimum_rows <= _MOST_ROWS:
            raise PolicyError(
                f"Metric: minimum_rows={shown(self.minimum_rows)} is no whole number from 1 to"
                f" {_MOST_ROWS:,}"
            )


Operand = Literal | Metric | Parameter


@dataclass(frozen=True, slots=True)
class _Comparison:
    left: Operand
    right: Operand

    def __post_init__(self) -> None:
        name = type(self).__name__
        _check_operands(name, self.left, (self.right,))
        for item in (self.left, self.right) if name in _OF_NUMBERS else ():
            if isinstance(item, str | bool):
                raise PolicyError(f"{name}: {shown(item)} is no number; write Metric(…) for one")


@dataclass(frozen=True, slots=True)
class Equals(_Comparison):
    """Left and right are the same number, text or truth value."""


@dataclass(frozen=True, slots=True)
class GreaterThan(_Comparison):
    """Left > right; both are numbers, as in the next three."""


@dataclass(frozen=True, slots=True)
class GreaterThanOrEqualTo(_Comparison):
    """Left ≥ right."""


@dataclass(frozen=True, slots=True)
class LessThan(_Comparison):
    """Left < right."""


@dataclass(frozen=True, slots=True)
class LessThanOrEqualTo(_Comparison):
    """Left ≤ right."""


@dataclass(frozen=True, slots=True)
class In:
    """The value equals one of several, which are a tuple or a list."""

    value: Operand
    in_values: tuple[Operand, ...]

    def __post_init__(self) -> None:
        """Check the operands."""
        object.__setattr__(self, "in_values", as_tuple("In", self.in_values, of="values"))
        _check_operands("In", self.value, self.in_values)


@dataclass(frozen=True, slots=True)
class Not:
    """The condition does not hold."""

    condition: Condition

    def __post_init__(self) -> None:
        """Check the condition."""
        _check_conditions("Not", (self.condition,))


@dataclass(frozen=True, slots=True)
class Or:
    """At least one condition holds. All of them are resolved, whichever holds first."""

    conditions: tuple[Condition, ...]

    def __post_init__(self) -> None:
        """Check the conditions."""
        conditions = as_tuple("Or", self.conditions, of="conditions")
        object.__setattr__(self, "conditions", conditions)
        _check_conditions("Or", conditions)
        if {*conditions} & {_opposite(item) for item in conditions}:
            raise PolicyError("Or: a condition and its opposite are in it, so it always holds")


Comparison = Equals | GreaterThan | GreaterThanOrEqualTo | LessThan | LessThanOrEqualTo
Condition = Comparison | In | Not | Or

COMPARISONS: Mapping[type, tuple[str, Callable[[Any, Any], bool]]] = {
    Equals: ("=", lambda left, right: left == right),
    GreaterThan: (">", lambda left, right: left > right),
    GreaterThanOrEqualTo: ("≥", lambda left, right: left >= right),
    LessThan: ("<", lambda left, right: left < right),
    LessThanOrEqualTo: ("≤", lambda left, right: left <= right),
}
# By the type's name in the wire form.
KINDS: Mapping[str, Any] = {kind.__name__: kind for kind in COMPARISONS}
SIGNS: Mapping[str, str] = {kind.__name__: sign for kind, (sign, _) in COMPARISONS.items()}
_OF_NUMBERS = SIGNS.keys() - {"Equals"}


def as_tuple(name: str, items: object, *, of: str) -> tuple[Any, ...]:
    """Return what a condition or a policy has several of, as a tuple.

    Raises:
        PolicyError: It is neither a tuple nor a list. A text would be taken for its letters, and
            what can be walked once only is empty the next time.
    """
    if not isinstance(items, tuple | list):
        raise PolicyError(
            f"{name}: a tuple of {of} is wanted, not {shown(items)}; one of a single item ends"
            " with a comma, (…,)"
        )
    return tuple(items)


def fault_of(value: object) -> str | None:
    """Say what a value is that no operand can have; None for one that it can."""
    if isinstance(value, str):
        is_long = len(value) > _LONGEST_TEXT
        return f"a text of more than {_LONGEST_TEXT:,} characters" if is_long else None
    if isinstance(value, bool) or finite(value) is not None:
        return None
    if isinstance(value, int | float):
        return f"{value if isinstance(value, float) else kind_of(value)}, not a finite number"
    return f"{kind_of(value)}, not a number, text or truth value"


def shown(value: object) -> str:
    """Return what a value looks like in a policy, for a message."""
    try:
        return one_line(repr(value), 200)
    except (ValueError, RecursionError):
        # Python does not write an integer of thousands of digits.
        return kind_of(value)


def _check_operands(name: str, left: Operand, rights: tuple[Operand, ...]) -> None:
    if not rights:
        raise PolicyError(f"{name}: it has no values, so it never holds")
    for item in (left, *rights):
        if not isinstance(item, Metric | Parameter) and (fault := fault_of(item)):
            raise PolicyError(f"{name}: the operand {shown(item)} is {fault}")
    if not any(isinstance(item, Metric | Parameter) for item in (left, *rights)):
        raise PolicyError(
            f"{name}: it compares {shown(left)} with values alone; write Metric(…) for one of the"
            " report"
        )
    if _spelled(left) in map(_spelled, rights):
        raise PolicyError(f"{name}: {shown(left)} is compared with itself")


def _spelled(operand: Operand) -> Operand:
    if isinstance(operand, Metric) and isinstance(operand.path, str):
        return Metric(canonical(operand.path))
    return operand


def _check_conditions(name: str, conditions: tuple[Condition, ...]) -> None:
    if not conditions:
        raise PolicyError(f"{name}: it has no conditions, so it never holds")
    for item in conditions:
        if not isinstance(item, Condition):
            raise PolicyError(f"{name}: {shown(item)} is no condition")
    if max(map(_depth, conditions)) >= _DEEPEST:
        raise PolicyError(f"{name}: conditions are nested deeper than {_DEEPEST}")


def _depth(condition: Condition) -> int:
    match condition:
        case Or(conditions):
            return 1 + max(map(_depth, conditions))
        case Not(inner):
            return 1 + _depth(inner)
        case _:
            return 0


def _opposite(condition: Condition) -> Condition:
    match condition:
        case Not(inner):
            return inner
        case GreaterThan(left, right):
            return LessThanOrEqualTo(left, right)
        case LessThan(left, right):
            return GreaterThanOrEqualTo(left, right)
        case _:
            return Not(condition)
