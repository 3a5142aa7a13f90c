"""What a policy, which is several conditions, names: metrics and parameters of the run."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from retraining.gate.conditions import (
    Condition,
    In,
    Metric,
    Not,
    Operand,
    Or,
    Parameter,
    PolicyError,
    as_tuple,
    shown,
)
from retraining.gate.report import UndecidableError, is_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping


def checked(policy: object) -> tuple[Condition, ...]:
    """Return a policy as a tuple of its conditions.

    Raises:
        PolicyError: It is no tuple or list of conditions; it has none, or none of them asks for a
            metric: whatever the model is, it would pass.
    """
    conditions = as_tuple("policy", policy, of="conditions")
    for item in conditions:
        if not isinstance(item, Condition):
            raise PolicyError(f"policy: {shown(item)} is no condition")
    if not any(isinstance(item, Metric) for item in operands_of(conditions)):
        raise PolicyError("policy: no condition asks for a metric, so every model would pass")
    return conditions


def metrics_of(policy: Iterable[Condition]) -> tuple[str, ...]:
    """Return the paths that conditions name, in their order, but for those that a run chooses."""
    paths = (item.path for item in operands_of(policy) if isinstance(item, Metric))
    return tuple(path for path in paths if isinstance(path, str))


def parameters_of(policy: Iterable[Condition]) -> tuple[str, ...]:
    """Return the names of the parameters that conditions name, in their order."""
    named = (item.path if isinstance(item, Metric) else item for item in operands_of(policy))
    return tuple(item.name for item in named if isinstance(item, Parameter))


def chosen(policy: Iterable[Condition], parameters: Mapping[str, object]) -> tuple[Condition, ...]:
    """Return a policy with the metrics that a run's parameters choose.

    Raises:
        UndecidableError: A parameter is missing, or its value is no path in a report, or makes a
            condition that cannot be meant.
    """

    def operand(item: Operand) -> Operand:
        if isinstance(item, Metric) and isinstance(item.path, Parameter):
            return replace(item, path=_path(item.path.name, parameters))
        return item

    try:
        return tuple(with_operands(condition, operand) for condition in policy)
    except PolicyError as error:
        raise UndecidableError(f"the run's parameters choose wrong metrics: {error}") from error


def with_operands(condition: Condition, change: Callable[[Operand], Operand]) -> Condition:
    """Return a condition with other operands, which are asked for in the order of ``operands_of``.

    Raises:
        PolicyError: They make a condition that cannot be meant.
    """
    match condition:
        case Or(conditions):
            return Or(tuple(with_operands(item, change) for item in conditions))
        case Not(inner):
            return Not(with_operands(inner, change))
        case In(query, values):
            return In(change(query), tuple(map(change, values)))
        case _:
            return replace(condition, left=change(condition.left), right=change(condition.right))


def _path(name: str, parameters: Mapping[str, object]) -> str:
    if name not in parameters:
        raise UndecidableError(f"the run has no parameter {name}, which chooses a metric")
    value = parameters[name]
    if not isinstance(value, str) or not is_path(value):
        raise UndecidableError(
            f"parameter {name}={shown(value)} chooses no metric: it must be the path of one in the"
            " report, such as a_metrics.score"
        )
    return value


def operands_of(policy: Iterable[Condition]) -> Iterator[Operand]:
    """Yield each operand of conditions, in the order in which it stands."""
    for condition in policy:
        match condition:
            case Or(conditions):
                yield from operands_of(conditions)
            case Not(inner):
                yield from operands_of([inner])
            case In(query, values):
                yield from (query, *values)
            case _:
                yield from (condition.left, condition.right)
