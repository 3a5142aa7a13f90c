"""What a ForEach step says: over which items, how many at once, and which iteration it picks.

Source: ``sagemaker.mlops.workflow.for_each_step`` of the SageMaker SDK 3.27.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from retraining.gate.conditions import shown
from retraining.gate.report import finite
from retraining.sagemaker_pipelines.references import (
    DefinitionError,
    Reference,
    UnresolvedError,
    parsed,
)

MOST_ITEMS = 100
BODY, ITEMS = "ForEachBody", "IterableItems"
COUNTS = (
    "InputItemCount", "TotalStepCount", "SucceededStepCount", "FailedStepCount",
    "StoppedStepCount",
)  # fmt: skip
STATUS = "Status"
_MOST_AT_ONCE = 50
_PICKS = ("MaxBy", "MinBy")
_FIELD = re.compile(r"IterationOutput\.(?P<body>[A-Za-z0-9_-]+)(?P<rest>[.\[].+)", re.DOTALL)
_NOT_IN_BODY = ("Condition", "Fail", "ForEach")


@dataclass(frozen=True, slots=True)
class Selector:
    """Picks the iteration whose field is the largest, or the smallest.

    Attributes:
        pick: MaxBy or MinBy.
        field: ``Steps.<body step>.<path>``, as within an iteration; it is a ``Property``.
        body: The body step.
    """

    pick: str
    field: Reference
    body: str

    def chosen(self, values: list[object], where: str) -> int:
        """Return the index of the iteration; of equal ones the first.

        Raises:
            UnresolvedError: A value is no finite number.
        """
        numbers = [finite(_number(value)) for value in values]
        for index, number in enumerate(numbers):
            if number is None:
                raise UnresolvedError(
                    f"{where} of iteration {index} is {shown(values[index])}, not a number"
                )
        pick = max if self.pick == "MaxBy" else min
        return pick(range(len(numbers)), key=lambda index: numbers[index] or 0.0)


def bounds_of(
    arguments: Mapping[str, Any], body: Mapping[str, str], where: str
) -> tuple[int, Selector | None]:
    """Return how many iterations of a ForEach step run at a time, and what picks one.

    Args:
        arguments: The step's.
        body: The types of the steps in its body, by name.
        where: How to name it in a message.

    Raises:
        DefinitionError: They are none that the SDK writes.
    """
    known = {ITEMS, "MaxConcurrency", "Selector", BODY}
    if unknown := sorted(arguments.keys() - known):
        raise DefinitionError(f"{where}: Arguments has {', '.join(unknown)}, which is unknown")
    items = arguments.get(ITEMS)
    if not isinstance(parsed(items, f"{where}: {ITEMS}"), Reference):
        _check_items(items, f"{where}: {ITEMS}")
    at_once = at_once_of(arguments, where)
    if not body:
        raise DefinitionError(f"{where}: {BODY} has no steps")
    for name, kind in body.items():
        if kind in _NOT_IN_BODY:
            raise DefinitionError(f"{where}: {name} is of type {kind}, which a {BODY} cannot have")
    return at_once, _selector(arguments.get("Selector"), body, where)


def at_once_of(arguments: Mapping[str, Any], where: str) -> int:
    """Return how many iterations of a ForEach step run at a time.

    Raises:
        DefinitionError: It is no number, or too large a one.
    """
    at_once = arguments.get("MaxConcurrency")
    if type(at_once) is not int or not 1 <= at_once <= _MOST_AT_ONCE:
        raise DefinitionError(
            f"{where}: MaxConcurrency is {shown(at_once)}, not 1 to {_MOST_AT_ONCE}"
        )
    return at_once


def _check_items(items: object, where: str) -> None:
    if not isinstance(items, list) or not 1 <= len(items) <= MOST_ITEMS:
        raise DefinitionError(f"{where} is {shown(items)}, not a list of 1 to {MOST_ITEMS} items")
    for index, item in enumerate(items):
        is_reference = isinstance(parsed(item, f"{where}[{index}]"), Reference)
        if not is_reference and not isinstance(item, str | int | float):
            raise DefinitionError(f"{where}[{index}] is {shown(item)}, not a single value")


def items_of(value: object, where: str) -> list[Any]:
    """Return the items that a step's resolved ``IterableItems`` are.

    Raises:
        UnresolvedError: They are neither a list nor the JSON of one, or too many.
    """
    try:
        found = json.loads(value) if isinstance(value, str) else value
    except ValueError as error:
        raise UnresolvedError(f"{where} is not JSON: {error}") from error
    if not isinstance(found, list) or len(found) > MOST_ITEMS:
        raise UnresolvedError(f"{where} is {shown(found)}, not a list of at most {MOST_ITEMS}")
    return found


def _selector(wire: object, body: Mapping[str, str], where: str) -> Selector | None:
    if wire is None:
        return None
    at = f"{where}: Selector"
    if not isinstance(wire, Mapping) or wire.keys() != {"Pick", "Field"}:
        raise DefinitionError(f"{at} is {shown(wire)}, not a Pick and a Field")
    if wire["Pick"] not in _PICKS:
        raise DefinitionError(f"{at}.Pick is {shown(wire['Pick'])}, none of {', '.join(_PICKS)}")
    field = wire["Field"]
    text = field.get("Get") if isinstance(field, Mapping) else None
    match = _FIELD.fullmatch(text) if isinstance(text, str) else None
    if match is None or match["body"] not in body:
        raise DefinitionError(
            f"{at}.Field is {shown(field)}, not a member of IterationOutput.<step of the {BODY}>"
        )
    inner = parsed({"Get": f"Steps.{match['body']}{match['rest']}"}, f"{at}.Field")
    assert isinstance(inner, Reference)  # noqa: S101 - a Get is one
    return Selector(str(wire["Pick"]), inner, match["body"])


def _number(value: object) -> object:
    # A step's outputs are often texts.
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value
