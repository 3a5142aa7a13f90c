"""Validates requests against botocore's model of SageMaker, in the words of the service."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING

import botocore.session

from local_sagemaker.errors import RequestInvalidError
from local_sagemaker.patterns import compile_pattern

if TYPE_CHECKING:
    from botocore.model import ListShape, MapShape, ServiceModel, Shape, StructureShape

_PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "structure": (Mapping,),
    "map": (Mapping,),
    "list": (list, tuple),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "timestamp": (int, float, datetime),
}


@cache
def service_model() -> ServiceModel:
    """Return botocore's model of the SageMaker API; read from disk once (0.1 s)."""
    return botocore.session.get_session().get_service_model("sagemaker")


def validate_request(operation_name: str, request: Mapping[str, object]) -> None:
    """Check a request as the service does before it acts on it.

    Args:
        operation_name: Such as ``CreateTrainingJob``.
        request: The operation's members, as boto3 takes them or as they arrive over HTTP.

    Raises:
        RequestInvalidError: Names every problem: unknown and missing members, wrong types, values
            outside of their enumeration, length, range or pattern.
    """
    shape = service_model().operation_model(operation_name).input_shape
    try:
        problems = list(_problems(shape, request, path="")) if shape else []
    except RecursionError as error:  # a SearchExpression may hold others
        raise RequestInvalidError("The request is nested too deeply.") from error
    if problems:
        count = f"{len(problems)} validation error{'s' if len(problems) > 1 else ''} detected"
        raise RequestInvalidError(f"{count}: {'; '.join(problems)}")


def _problems(shape: Shape, value: object, *, path: str) -> Iterator[str]:
    if not _is_of_type(shape, value):
        yield _problem(value, f"Member must be of type {shape.type_name}", path=path)
        return
    match shape.type_name:
        case "structure":
            yield from _structure_problems(shape, value, path=path)  # type: ignore[arg-type]
        case "list":
            yield from _list_problems(shape, value, path=path)  # type: ignore[arg-type]
        case "map":
            yield from _map_problems(shape, value, path=path)  # type: ignore[arg-type]
        case _:
            yield from (_problem(value, text, path=path) for text in _constraints(shape, value))


def _is_of_type(shape: Shape, value: object) -> bool:
    expected = _PYTHON_TYPES.get(shape.type_name, (object,))
    # A bool is an int to Python alone.
    return isinstance(value, expected) and (isinstance(value, bool) <= (bool in expected))


def _structure_problems(
    shape: StructureShape, value: Mapping[str, object], *, path: str
) -> Iterator[str]:
    for name in shape.required_members:
        if value.get(name) is None:
            yield _problem(None, "Member must not be null", path=_below(path, name))
    for name, member in value.items():
        if name not in shape.members:
            known = ", ".join(shape.members)
            yield _problem(member, f"Member must be one of [{known}]", path=_below(path, name))
        elif member is not None:
            yield from _problems(shape.members[name], member, path=_below(path, name))


def _list_problems(shape: ListShape, value: Sequence[object], *, path: str) -> Iterator[str]:
    yield from (_problem(value, text, path=path) for text in _constraints(shape, value))
    for position, member in enumerate(value, start=1):
        yield from _problems(shape.member, member, path=f"{path}.{position}.member")


def _map_problems(shape: MapShape, value: Mapping[str, object], *, path: str) -> Iterator[str]:
    yield from (_problem(value, text, path=path) for text in _constraints(shape, value))
    yield from _part_problems(shape.key, list(value), path=path, part="keys")
    if shape.value.type_name in {"structure", "list", "map"}:
        for key, member in value.items():
            yield from _problems(shape.value, member, path=f"{path}.{key}.member")
    else:
        yield from _part_problems(shape.value, list(value.values()), path=path, part="value")


def _part_problems(
    shape: Shape, members: Sequence[object], *, path: str, part: str
) -> Iterator[str]:
    # The service tells which rules a map breaks, not which entry breaks them.
    broken: dict[str, None] = {}
    for member in members:
        if _is_of_type(shape, member):
            broken |= dict.fromkeys(_constraints(shape, member))
        else:
            broken[f"Member must be of type {shape.type_name}"] = None
    if broken:
        rules = ", ".join(broken)
        yield _problem(members, f"Map {part} must satisfy constraint: [{rules}]", path=path)


def _constraints(shape: Shape, value: object) -> Iterator[str]:
    metadata = shape.metadata
    measured: float
    if isinstance(value, str | Sequence | Mapping):
        measured, what = len(value), "length"
    elif isinstance(value, int | float) and not isinstance(value, bool):
        measured, what = value, "value"
    else:
        return
    if "min" in metadata and measured < metadata["min"]:
        yield f"Member must have {what} greater than or equal to {metadata['min']}"
    if "max" in metadata and measured > metadata["max"]:
        yield f"Member must have {what} less than or equal to {metadata['max']}"
    if isinstance(value, str):
        if (allowed := metadata.get("enum")) and value not in allowed:
            yield f"Member must satisfy enum value set: [{', '.join(allowed)}]"
        if (pattern := metadata.get("pattern")) and not compile_pattern(pattern).fullmatch(value):
            yield f"Member must satisfy regular expression pattern: {pattern}"


def _below(path: str, name: str) -> str:
    member = name[:1].lower() + name[1:]
    return f"{path}.{member}" if path else member


def _problem(value: object, constraint: str, *, path: str) -> str:
    shown = "null" if value is None else f"'{value}'"
    where = f" at '{path}'" if path else ""
    return f"Value {shown}{where} failed to satisfy constraint: {constraint}"
