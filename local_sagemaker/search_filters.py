"""Search's expressions, properties and orders, on one resource at a time.

Source: the SageMaker API, Search, SearchExpression, Filter, NestedFilters. What it does not say is
in README.md, "Search".
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import eq, ge, gt, le, lt
from typing import TYPE_CHECKING, Any

from local_sagemaker.errors import RequestInvalidError

if TYPE_CHECKING:
    from botocore.model import Shape

Record = Mapping[str, object]
Predicate = Callable[[Record], bool]
# Numbers before texts, and what is missing last.
SortKey = tuple[int, float | str]

_MOST_CONDITIONS = 50
# What is found under a name of the user's, not of the model's.
_METRICS, _TAGS, _HYPERPARAMETERS = "Metrics", "Tags", "HyperParameters"
# Where a training job has its metrics.
_FINAL_METRICS = "FinalMetricDataList"
_DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_NUMBERS = ("integer", "long", "float", "double")
_ORDERS: Mapping[str, Callable[[Any, Any], bool]] = {
    "GreaterThan": gt,
    "GreaterThanOrEqualTo": ge,
    "LessThan": lt,
    "LessThanOrEqualTo": le,
}
# Of these properties a search may ask several times what they contain.
_CONTAINS_OFTEN = {
    "Experiment": ("DisplayName", "ExperimentName", "Tags"),
    "ExperimentTrial": ("DisplayName", "TrialName", "Tags"),
    "ExperimentTrialComponent": (
        "DisplayName", "TrialComponentName", "Tags", "InputArtifacts", "OutputArtifacts",
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Property:
    """A property of a resource.

    Attributes:
        name: As the caller wrote it.
        kind: ``text``, ``number``, ``boolean``, ``timestamp``; ``any`` for what its value tells, a
            hyperparameter; ``structure`` for what can only exist or not.
    """

    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class Resource:
    """What can be searched for.

    Attributes:
        name: Of the resource, as a request names it.
        shape: The service's model of its record.
    """

    name: str
    shape: Shape


def find_property(resource: Resource, name: str) -> Property:
    """Return a property that the model of a resource has.

    Raises:
        RequestInvalidError: It has none of that name.
    """
    first, *rest = parts = name.split(".")
    shape: Any = resource.shape
    if first == _METRICS and rest and shape.members.keys() & {_METRICS, _FINAL_METRICS}:
        return Property(name, "number")
    if first == _TAGS and rest and _TAGS in shape.members:
        return Property(name, "text")
    while parts:
        while shape.type_name == "list":
            shape = shape.member
        if shape.type_name == "map":
            # The rest is one key, whatever is in it.
            shape, parts = shape.value, []
        elif shape.type_name == "structure" and parts[0] in shape.members:
            shape = shape.members[parts.pop(0)]
        else:
            raise RequestInvalidError(f"Unknown property name: {name}")
    while shape.type_name == "list":
        shape = shape.member
    if first == _HYPERPARAMETERS and rest:
        return Property(name, "any")
    if shape.type_name in ("structure", "map"):
        return Property(name, "structure")
    kinds = {"string": "text", **dict.fromkeys(_NUMBERS, "number")}
    return Property(name, kinds.get(shape.type_name, shape.type_name))


def searchable(record: Record) -> Record:
    """Return a record with its tags and metrics by their names."""
    found: Any = dict(record)
    if tags := found.pop(_TAGS, None):
        found[_TAGS] = {tag["Key"]: tag["Value"] for tag in tags}
    if metrics := found.get(_FINAL_METRICS):
        found[_METRICS] = {metric["MetricName"]: metric["Value"] for metric in metrics}
    return found  # type: ignore[no-any-return]  # of this function's own making


def read_expression(resource: Resource, expression: Mapping[str, Any]) -> Predicate:
    """Return what tells whether a searchable record satisfies a SearchExpression.

    Raises:
        RequestInvalidError: A property, an operator or a value that this resource has not, more
            than 50 conditions, or more than one ``Contains``.
    """
    filters = list(_filters(expression))
    if _count(expression) > _MOST_CONDITIONS:
        raise RequestInvalidError(
            f"A SearchExpression can have at most {_MOST_CONDITIONS} Filters, NestedFilters and"
            " SubExpressions."
        )
    often = _CONTAINS_OFTEN.get(resource.name, ())
    once = [one for one in filters if one.get("Operator") == "Contains"]
    if sum(one["Name"].partition(".")[0] not in often for one in once) > 1:
        raise RequestInvalidError("'CONTAINS' operator usage limit of 1 exceeded.")
    return _expression(resource, expression)


def find_order(resource: Resource, name: str) -> Property:
    """Return a property that can be sorted by.

    Raises:
        RequestInvalidError: There is none of that name, or it has no value of its own.
    """
    found = find_property(resource, name)
    if found.kind == "structure":
        raise RequestInvalidError(f"SortBy {name}: it has no value of its own to sort by.")
    return found


def sort_key(record: Record, by: Property, *, descending: bool) -> SortKey:
    """Return where a searchable record stands in an order; what has no value comes last."""
    value = next(_held(record, by.name.split(".")), None)
    number = value if by.kind == "text" else _number(value)
    if isinstance(number, float):
        return (0, number)
    if isinstance(value, str):
        return (1, value)
    return (-1 if descending else 2, 0.0)


def _count(expression: Mapping[str, Any]) -> int:
    below = expression.get("SubExpressions", [])
    nested = expression.get("NestedFilters", [])
    own = len(expression.get("Filters", [])) + len(nested) + len(below)
    return own + sum(len(one["Filters"]) for one in nested) + sum(map(_count, below))


def _filters(expression: Mapping[str, Any]) -> Iterator[Mapping[str, str]]:
    yield from expression.get("Filters", [])
    for nested in expression.get("NestedFilters", []):
        yield from nested["Filters"]
    for below in expression.get("SubExpressions", []):
        yield from _filters(below)


def _expression(resource: Resource, expression: Mapping[str, Any]) -> Predicate:
    conditions = [
        *(_filter(resource, one) for one in expression.get("Filters", [])),
        *(_nested(resource, one) for one in expression.get("NestedFilters", [])),
        *(_expression(resource, one) for one in expression.get("SubExpressions", [])),
    ]
    if not conditions:
        raise RequestInvalidError(
            "A SearchExpression needs at least one of Filters, NestedFilters and SubExpressions."
        )
    together = any if expression.get("Operator") == "Or" else all
    return lambda record: together(condition(record) for condition in conditions)


def _nested(resource: Resource, nested: Mapping[str, Any]) -> Predicate:
    """A list's property: one of its entries must satisfy all filters."""
    name: str = nested["NestedPropertyName"]
    path = name.split(".")
    if find_property(resource, name).kind != "structure":
        raise RequestInvalidError(f"NestedPropertyName {name} is no list of structures.")
    conditions = []
    for one in nested["Filters"]:
        if not one["Name"].startswith(f"{name}."):
            raise RequestInvalidError(
                f"NestedFilters of {name}: the Name of a filter begins with {name}., unlike"
                f" {one['Name']}."
            )
        conditions.append(_filter(resource, one, below=len(path)))
    return lambda record: any(
        all(condition(entry) for condition in conditions)
        for entry in _held(record, path)
        if isinstance(entry, Mapping)
    )


def _filter(resource: Resource, asked: Mapping[str, str], *, below: int = 0) -> Predicate:
    found = find_property(resource, asked["Name"])
    path = found.name.split(".")[below:]
    operator, value = asked.get("Operator", "Equals"), asked.get("Value")
    match operator:
        case "Exists":
            return lambda record: any(True for _ in _held(record, path))
        case "NotExists":
            return lambda record: not any(True for _ in _held(record, path))
    where = f"Filter {found.name}, {operator}"
    if value is None:
        raise RequestInvalidError(f"{where}: a Value is needed.")
    if found.kind == "structure":
        raise RequestInvalidError(f"{where}: it has no value of its own, only properties below it.")
    if operator in ("Contains", "In") and found.kind not in ("text", "any"):
        raise RequestInvalidError(f"{where} is not supported for {found.kind} properties.")
    if operator in _ORDERS and found.kind in ("text", "boolean"):
        raise RequestInvalidError(f"{where} is not supported for {found.kind} properties.")
    holds = _comparison(found.kind, operator, value, where=where)
    if operator == "NotEquals":
        return lambda record: not any(holds(held) for held in _held(record, path))
    return lambda record: any(holds(held) for held in _held(record, path))


def _comparison(kind: str, operator: str, value: str, *, where: str) -> Callable[[Any], bool]:
    """Return what compares one value that is held; for NotEquals what tells whether it is equal."""
    if operator == "Contains":
        return lambda held: value in str(held)
    if operator == "In":
        wanted = [one.strip() for one in value.split(",")]
        return lambda held: str(held) in wanted
    compare: Callable[[Any, Any], bool] = _ORDERS.get(operator, eq)
    if kind == "any":
        return _by_value(compare, value, equal=operator not in _ORDERS)
    if kind == "text":
        return lambda held: held == value
    expected = _read(kind, value, where=where)
    return lambda held: compare(held, expected)


def _by_value(
    compare: Callable[[Any, Any], bool], value: str, *, equal: bool
) -> Callable[[Any], bool]:
    """Hyperparameters are texts: they are numbers if both are, integers if the value is one."""
    number = _number(value)
    whole = number is not None and "." not in value and number.is_integer()

    def holds(held: object) -> bool:
        found = _number(held)
        if number is None or found is None:
            return equal and held == value
        return compare(math.trunc(found) if whole else found, number)

    return holds


def _read(kind: str, value: str, *, where: str) -> object:
    if kind == "number":
        if (number := _number(value)) is not None:
            return number
    elif kind == "boolean":
        if value.lower() in ("true", "false"):
            return value.lower() == "true"
    else:
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            pass
        else:
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    form = "YYYY-mm-ddTHH:MM:SS" if kind == "timestamp" else f"a {kind}"
    raise RequestInvalidError(f"{where}: Value {value!r} is not {form}.")


def _number(value: object) -> float | None:
    """Return a value as a finite number: of texts those that other languages read, too."""
    if isinstance(value, str) and not _DECIMAL.fullmatch(value):
        return None
    number = float(value) if isinstance(value, str | int | float) else math.nan
    return number if math.isfinite(number) else None


def _held(value: object, path: list[str]) -> Iterator[object]:
    """Go through the values of a property: of lists each entry's."""
    if isinstance(value, list):
        for entry in value:
            yield from _held(entry, path)
    elif not path:
        yield value
    elif isinstance(value, Mapping):
        # A key of the user's may have dots.
        if (key := ".".join(path)) in value:
            yield from _held(value[key], [])
        elif path[0] in value:
            yield from _held(value[path[0]], path[1:])
