"""The wire form of conditions: as a SageMaker pipeline definition and a decision record have them.

Source: the pipeline definition JSON schema, ``Conditions`` of a ``Condition`` step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from retraining import naming
from retraining.gate.conditions import Condition, In, Metric, Not, Operand, Or, Parameter
from retraining.gate.policy import operands_of
from retraining.gate.report import kind_of

if TYPE_CHECKING:
    from collections.abc import Mapping


def to_wire(condition: Condition, parameters: Mapping[str, object]) -> dict[str, object]:
    """Return a condition as a SageMaker pipeline definition writes it.

    A metric is written as its path, as the report is always the run's own; a parameter as its
    value, or as ``in_record`` says what it is. What a metric asks of its rows is no part of it: see
    ``minimum_rows``.
    """

    def operand(item: Operand) -> object:
        match item:
            case Metric(path):
                return {"Std:JsonGet": {"Path": operand(path)}}
            case Parameter(name):
                return in_record(parameters.get(name))
            case _:
                return item

    kind = type(condition).__name__
    match condition:
        case Or(conditions):
            return {"Type": kind, "Conditions": [to_wire(item, parameters) for item in conditions]}
        case Not(inner):
            return {"Type": kind, "Condition": to_wire(inner, parameters)}
        case In(query, values):
            several = [operand(item) for item in values]
            return {"Type": kind, "QueryValue": operand(query), "Values": several}
        case _:
            left, right = operand(condition.left), operand(condition.right)
            return {"Type": kind, "LeftValue": left, "RightValue": right}


def minimum_rows(
    condition: Condition, parameters: Mapping[str, object]
) -> tuple[dict[str, object], ...]:
    """Return how many rows a condition's metrics must rest on, of which SageMaker knows nothing.

    Returns:
        For each such metric its path (``metric``), that of the count (``rows``) and ``minimum``.
    """
    found = [
        {
            "metric": in_record(parameters.get(item.path.name))
            if isinstance(item.path, Parameter)
            else item.path,
            "rows": item.rows,
            "minimum": item.minimum_rows,
        }
        for item in operands_of([condition])
        if isinstance(item, Metric) and item.minimum_rows is not None
    ]
    return tuple(each for number, each in enumerate(found) if each not in found[:number])


def in_record(value: object) -> object:
    """Return a run's parameter as a record can hold it: what is not JSON becomes what it is.

    NaN, which Airflow's parameters may be, becomes the text ``NaN``.
    """
    try:
        naming.canonical_json(value)
    except (ValueError, TypeError, RecursionError):
        return kind_of(value)
    return value
