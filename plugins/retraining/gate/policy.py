"""What a policy, which is several conditions, names: metrics and parameters of the run."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from retraining.gate.conditions import Condition, In, Metric, Not, Operand, Or, Parameter
from retraining.gate.report import UndecidableError, is_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


def metrics_of(policy: Iterable[Condition]) -> tuple[str, ...]:
    """Return the paths that conditions name, in their order, but for those that a run chooses."""
    paths = (item.path for item in _operands(policy) if isinstance(item, Metric))
    return tuple(path for path in paths if isinstance(path, str))


def parameters_of(policy: Iterable[Condition]) -> tuple[str, ...]:
    """Return the names of the parameters that conditions name, in their order."""
    named = (item.path if isinstance(item, Metric) else item for item in _operands(policy))
    return tuple(item.name for item in named if isinstance(item, Parameter))


def chosen(policy: Iterable[Condition], parameters: Mapping[str, object]) -> tuple[Condition, ...]:
    """Return a policy with the metrics that a run's parameters choose.

    Raises:
        UndecidableError: A parameter is missing, or its value is no path in a report.
    """

    def operand(item: Operand) -> Operand:
        if isinstance(item, Metric) and isinstance(item.path, Parameter):
            return Metric(_path(item.path.name, parameters))
        return item

    def condition(item: Condition) -> Condition:
        match item:
            case Or(conditions):
                return Or(tuple(map(condition, conditions)))
            case Not(inner):
                return Not(condition(inner))
            case In(query, values):
                return In(operand(query), tuple(map(operand, values)))
            case _:
                return replace(item, left=operand(item.left), right=operand(item.right))

    return tuple(map(condition, policy))


def _path(name: str, parameters: Mapping[str, object]) -> str:
    if name not in parameters:
        raise UndecidableError(f"the run has no parameter {name}, which chooses a metric")
    value = parameters[name]
    if not isinstance(value, str) or not is_path(value):
        raise UndecidableError(
            f"parameter {name}={value!r} chooses no metric: it must be the path of one in the"
            " report, such as a_metrics.score"
        )
    return value


def _operands(policy: Iterable[Condition]) -> Iterator[Operand]:
    for condition in policy:
        match condition:
            case Or(conditions):
                yield from _operands(conditions)
            case Not(inner):
                yield from _operands([inner])
            case In(query, values):
                yield from (query, *values)
            case _:
                yield from (condition.left, condition.right)
