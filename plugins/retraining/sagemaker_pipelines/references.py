"""What a definition's JSON writes where a value is known only at run time.

``{"Get": "Parameters.X"}``, ``Execution.…``, ``Steps.X.<path into the Describe answer>``,
``Steps.X.PropertyFiles.P``, ``{"Std:Join": …}`` and ``{"Std:JsonGet": …}``. They are found when the
DAG is parsed, and resolved in the task that needs them. Source: what the SageMaker SDK 3.27 writes
(``sagemaker.core.workflow``), and its local executor.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from retraining.gate.report import UndecidableError, value_at

# Named as the SDK's ``ExecutionVariables``.
EXECUTION_VARIABLES = frozenset({
    "StartDateTime", "CurrentDateTime", "PipelineName", "PipelineArn", "PipelineExecutionId",
    "PipelineExecutionArn",
})  # fmt: skip
PROPERTY_FILES = "PropertyFiles"
ITERATIONS, SELECTED = "IterationOutputs", "Selected"
_ITEM = "ForEach.CurrentItem"
_OWN_NAMES = frozenset({"TrainingJobName", "ProcessingJobName"})
# What an element of a Describe answer's list is called by, as in ``Outputs['train']``.
NAME_MEMBERS = (
    "OutputName", "InputName", "MetricName", "ChannelName", "VariantName", "ContainerHostname",
    "DefinitionName", "AlgorithmName", "ProfileName", "CollectionName", "RuleConfigurationName",
    "AlarmName", "InstanceGroupName", "Name",
)  # fmt: skip
_STEP = re.compile(r"Steps\.(?P<step>[A-Za-z0-9_-]+)\.(?P<path>.+)", re.DOTALL)
_PART = re.compile(
    r"""(?:^|\.)(?P<name>[^.\[\]'"]+)|\[(?P<index>[0-9]{1,9})\]|\[(?P<quote>['"])(?P<key>.+?)(?P=quote)\]"""
)
_FUNCTIONS = ("Get", "Std:Join", "Std:JsonGet")


class DefinitionError(ValueError):
    """A definition cannot be used; the message names the step and the member."""


class UnresolvedError(Exception):
    """A reference leads to nothing at run time; a retry would find the same."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of the pipeline."""

    name: str


@dataclass(frozen=True, slots=True)
class Execution:
    """A variable of the run, one of ``EXECUTION_VARIABLES``."""

    name: str


@dataclass(frozen=True, slots=True)
class Property:
    """A member of what a step's Describe call answers.

    Attributes:
        step: The step.
        path: Names, and indices of lists; an element of a list may be named, too.
    """

    step: str
    path: tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class PropertyFile:
    """A file that a processing step wrote, by the name that the definition gives it."""

    step: str
    name: str


@dataclass(frozen=True, slots=True)
class CurrentItem:
    """The item of an iteration, or a part of it where items are JSON objects.

    Attributes:
        path: Names, and indices of lists; empty for the item itself.
    """

    path: tuple[str | int, ...] = ()


@dataclass(frozen=True, slots=True)
class Iteration:
    """A member of what Describe answers about a step of one iteration of a ForEach step.

    Attributes:
        step: The ForEach step.
        index: Of the iteration; None for the one that its selector picks.
        body: The step in it; "" for the one that the selector compares.
        path: As of ``Property``.
    """

    step: str
    index: int | None
    body: str
    path: tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Join:
    """Values as one text."""

    on: str
    values: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class JsonGet:
    """A value in a JSON file.

    Attributes:
        source: A property file; or what makes an S3 URI.
        path: As ``gate.report.value_at`` walks it.
    """

    source: object
    path: str


Reference = (
    Parameter | Execution | Property | PropertyFile | CurrentItem | Iteration | Join | JsonGet
)


class Run(Protocol):
    """Where a run's references lead."""

    def parameter(self, name: str) -> object:
        """Return a parameter's value."""
        ...

    def execution(self, name: str) -> object:
        """Return a variable of the run."""
        ...

    def described(self, step: str) -> Mapping[str, object]:
        """Return what a step's Describe call answers."""
        ...

    def property_file(self, step: str, name: str) -> str:
        """Return the S3 URI of a property file."""
        ...

    def item(self) -> object:
        """Return the item of this iteration."""
        ...

    def iteration(self, reference: Iteration) -> Mapping[str, object]:
        """Return what the Describe call of a step of an iteration answers."""
        ...

    def report(self, uri: str) -> object:
        """Return the parsed JSON of an S3 object.

        Raises:
            UnresolvedError: There is none, or it is not JSON.
        """
        ...


def parsed(value: object, where: str) -> object:
    """Return a JSON value with its references as the values above; lists become tuples.

    Args:
        value: Any JSON value.
        where: How to name it in a message.

    Raises:
        DefinitionError: A reference is malformed.
    """
    if isinstance(value, Mapping):
        functions = [name for name in value if name in _FUNCTIONS]
        if functions and len(value) == 1:
            return _reference(functions[0], value[functions[0]], where)
        return {name: parsed(inner, f"{where}.{name}") for name, inner in value.items()}
    if isinstance(value, list):
        return tuple(parsed(inner, f"{where}[{index}]") for index, inner in enumerate(value))
    return value


def found(value: object) -> Iterator[Reference]:
    """Yield all references of a parsed value, those inside of others too."""
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from found(inner)
    elif isinstance(value, tuple):
        for inner in value:
            yield from found(inner)
    elif isinstance(value, Reference):
        yield value
        if isinstance(value, Join):
            yield from found(value.values)
        elif isinstance(value, JsonGet):
            yield from found(value.source)


def resolved(value: object, run: Run) -> object:
    """Return a parsed value with what its references lead to, as JSON.

    Raises:
        UnresolvedError: One leads to nothing.
    """
    if isinstance(value, Mapping):
        return {name: resolved(inner, run) for name, inner in value.items()}
    if isinstance(value, tuple):
        return [resolved(inner, run) for inner in value]
    return _followed(value, run) if isinstance(value, Reference) else value


def _followed(reference: Reference, run: Run) -> object:
    match reference:
        case Parameter(name):
            led: object = run.parameter(name)
        case Execution(name):
            led = run.execution(name)
        case Property(step, path):
            led = _plain(_walked(run.described(step), path, step))
        case PropertyFile(step, name):
            led = run.property_file(step, name)
        case CurrentItem(path):
            led = _part_of(run.item(), path)
        case Iteration(step, _, _, path):
            led = _plain(_walked(run.iteration(reference), path, step))
        case Join(on, values):
            led = on.join(_joined(resolved(inner, run)) for inner in values)
        case JsonGet(source, path):
            led = _leaf(str(resolved(source, run)), path, run)
    return led


def _part_of(item: object, path: tuple[str | int, ...]) -> object:
    """Return a part of an item, which may be an object as JSON."""
    if not path:
        return item
    try:
        value = json.loads(item) if isinstance(item, str) else item
    except ValueError as error:
        raise UnresolvedError(f"the item {item!r} is not JSON: {error}") from error
    if not isinstance(value, Mapping):
        raise UnresolvedError(f"the item {item!r} is no object, and has no {path[0]!r}")
    return _walked(value, path, _ITEM)


def _leaf(uri: str, path: str, run: Run) -> object:
    try:
        leaf = value_at(run.report(uri), path)
    except UndecidableError as error:
        raise UnresolvedError(f"{uri}: {error}") from error
    if leaf is None:
        raise UnresolvedError(f"{uri}: {path} is null")
    return leaf


def spelled(reference: Reference) -> str:
    """Return a reference as an author would say it, for a message or a record."""
    match reference:
        case Parameter(name):
            text = f"Parameters.{name}"
        case Execution(name):
            text = f"Execution.{name}"
        case Property(step, path):
            text = f"Steps.{step}{_dotted(path)}"
        case PropertyFile(step, name):
            text = f"Steps.{step}.{PROPERTY_FILES}.{name}"
        case CurrentItem(path):
            text = f"{_ITEM}{_dotted(path)}"
        case Iteration(step, None, _, path):
            text = f"Steps.{step}.{SELECTED}{_dotted(path)}"
        case Iteration(step, index, body, path):
            text = f"Steps.{step}.{ITERATIONS}[{index}].{body}{_dotted(path)}"
        case Join(on, values):
            text = f"Join({on!r}, {', '.join(map(_shown, values))})"
        case JsonGet(source, path):
            text = f"{path} of {_shown(source)}"
    return text


def _shown(value: object) -> str:
    return spelled(value) if isinstance(value, Reference) else repr(value)


def _dotted(path: tuple[str | int, ...]) -> str:
    return "".join(
        f"[{part}]"
        if isinstance(part, int)
        else f".{part}"
        if part.isidentifier()
        else f"[{part!r}]"
        for part in path
    )


def _reference(function: str, argument: object, where: str) -> Reference:
    if function == "Get":
        return _get(argument, where)
    if not isinstance(argument, Mapping):
        raise DefinitionError(f"{where}: {function} has {argument!r}, not an object")
    if function == "Std:Join":
        _only(argument, {"On", "Values"}, f"{where}: {function}")
        on, values = argument.get("On", ""), argument.get("Values")
        if not isinstance(on, str) or not isinstance(values, list):
            raise DefinitionError(f"{where}: Std:Join wants a text On and a list of Values")
        return Join(on, _tuple(parsed(values, f"{where}.Values")))
    _only(argument, {"PropertyFile", "S3Uri", "Path"}, f"{where}: {function}")
    path = argument.get("Path")
    if not isinstance(path, str):
        raise DefinitionError(f"{where}: Std:JsonGet has the Path {path!r}, not a text")
    sources = [name for name in ("PropertyFile", "S3Uri") if argument.get(name) is not None]
    if len(sources) != 1:
        raise DefinitionError(f"{where}: Std:JsonGet wants either a PropertyFile or an S3Uri")
    source = parsed(argument[sources[0]], f"{where}.{sources[0]}")
    if sources == ["PropertyFile"] and not isinstance(source, PropertyFile):
        raise DefinitionError(
            f"{where}: Std:JsonGet has the PropertyFile {argument['PropertyFile']!r}, which is not"
            ' of the form {"Get": "Steps.<step>.PropertyFiles.<name>"}'
        )
    if not isinstance(source, str | Reference):
        raise DefinitionError(f"{where}: Std:JsonGet has the S3Uri {argument['S3Uri']!r}")
    return JsonGet(source, path)


def _get(text: object, where: str) -> Reference:
    if not isinstance(text, str):
        raise DefinitionError(f"{where}: Get has {text!r}, not a text")
    kind, _, name = text.partition(".")
    if kind == "Parameters" and name:
        return Parameter(name)
    if kind == "Execution" and name in EXECUTION_VARIABLES:
        return Execution(name)
    if kind == "Execution" and name in _OWN_NAMES:
        raise DefinitionError(
            f"{where}: Execution.{name} cannot be had: a job's name is computed from its request,"
            " so the request cannot hold it. Take Execution.PipelineExecutionId and the step's name"
        )
    if text == _ITEM or text.startswith((f"{_ITEM}.", f"{_ITEM}[")):
        return CurrentItem(_parts(text.removeprefix(_ITEM).removeprefix("."), where))
    match = _STEP.fullmatch(text)
    if match and match["path"].startswith((ITERATIONS, f"{SELECTED}.", f"{SELECTED}[")):
        return _iteration(match["step"], _parts(match["path"], where), f"{where}: {text!r}")
    if match:
        if match["path"].startswith(f"{PROPERTY_FILES}."):
            return PropertyFile(match["step"], match["path"].partition(".")[2])
        return Property(match["step"], _parts(match["path"], where))
    raise DefinitionError(f"{where}: {text!r} is no reference that SageMaker Pipelines knows")


def _iteration(step: str, path: tuple[str | int, ...], where: str) -> Iteration:
    match path:
        case ("Selected", *rest) if rest:
            return Iteration(step, None, "", tuple(rest))
        case ("IterationOutputs", int(index), str(body), *rest) if rest:
            return Iteration(step, index, body, tuple(rest))
    raise DefinitionError(
        f"{where}: write {ITERATIONS}[<number>].<step>.<member>, or {SELECTED}.<member>"
    )


def _parts(path: str, where: str) -> tuple[str | int, ...]:
    parts: list[str | int] = []
    position = 0
    while position < len(path):
        part = _PART.match(path, position)
        if part is None:
            raise DefinitionError(f"{where}: the path {path!r} is malformed at {path[position:]!r}")
        position = part.end()
        parts.append(int(part["index"]) if part["index"] else part["name"] or part["key"])
    return tuple(parts)


def _walked(answer: Mapping[str, object], path: tuple[str | int, ...], step: str) -> object:
    value: object = answer
    root = step if step == _ITEM else f"Steps.{step}"
    for number, part in enumerate(path):
        walked = f"{root}{_dotted(path[:number])}"
        if isinstance(value, Mapping) and part in value:
            value = value[str(part)]
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]
        elif isinstance(value, list) and (named := _named(value, part)) is not None:
            value = named
        else:
            raise UnresolvedError(f"{walked} has no {part!r}")
    if value is None:
        raise UnresolvedError(f"{root}{_dotted(path)} is null")
    return value


def _named(items: list[object], name: str | int) -> object:
    for item in items:
        if isinstance(item, Mapping):
            member = next((member for member in NAME_MEMBERS if member in item), None)
            if member and item[member] == name:
                return item
    return None


def _plain(value: object) -> object:
    """Return a part of a boto3 answer as JSON."""
    match value:
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case Mapping():
            return {name: _plain(inner) for name, inner in value.items()}
        case list():
            return [_plain(inner) for inner in value]
        case _:
            return value


def _joined(value: object) -> str:
    if isinstance(value, Mapping | list):
        raise UnresolvedError(f"Std:Join: {value!r} is an object or a list, not a single value")
    return str(value)


def _only(value: Mapping[str, object], known: set[str], where: str) -> None:
    if unknown := sorted(value.keys() - known):
        raise DefinitionError(f"{where} has {', '.join(unknown)}, which is unknown")


def _tuple(value: object) -> tuple[object, ...]:
    assert isinstance(value, tuple)  # noqa: S101 - a list was given
    return value
