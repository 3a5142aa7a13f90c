"""A pipeline definition, schema version 2020-12-01, read whole.

What the SageMaker SDK's ``Pipeline.definition()`` writes is what a definition is: the public JSON
schema is older than it. Whatever is not known here is refused and never dropped.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from retraining import naming
from retraining.gate.conditions import shown
from retraining.gate.report import finite
from retraining.sagemaker_pipelines.conditions import parsed_conditions
from retraining.sagemaker_pipelines.for_each import BODY, ITEMS, Selector, bounds_of
from retraining.sagemaker_pipelines.references import DefinitionError, parsed
from retraining.sagemaker_pipelines.refusals import refusal

if TYPE_CHECKING:
    from pathlib import Path

    from retraining.gate.wire_reader import Condition

VERSION = "2020-12-01"
COMPLETED = "Completed"
_TRIGGERS = (COMPLETED, "Failed", "Stopped", "Any")
_TYPES: Mapping[str, type] = {"String": str, "Integer": int, "Float": float, "Boolean": bool}
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_PIPELINE_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,255}")
_TOP = {"Version", "Metadata", "Parameters", "PipelineExperimentConfig", "MlflowConfig", "Steps"}
_STEP = {
    "Name", "Type", "Arguments", "DependsOn", "DisplayName", "Description", "CacheConfig",
    "RetryPolicies", "PropertyFiles", "FunctionArn", "OutputParameters", "SqsQueueUrl",
}  # fmt: skip
_JOBS = frozenset({"Processing", "Training", "Transform", "Tuning"})
# Which members only some types of steps have.
_ONLY_OF = {
    "CacheConfig": _JOBS | {"Lambda", "Callback", "EndpointConfig", "Endpoint"},
    "FunctionArn": frozenset({"Lambda"}),
    "SqsQueueUrl": frozenset({"Callback"}),
    "OutputParameters": frozenset({"Lambda", "Callback"}),
    "PropertyFiles": frozenset({"Processing"}),
    "RetryPolicies": _JOBS | {"Model", "RegisterModel", "EndpointConfig"},
}
_EXCEPTIONS = frozenset({
    "Step.SERVICE_FAULT", "Step.THROTTLING", "SageMaker.JOB_INTERNAL_ERROR",
    "SageMaker.CAPACITY_ERROR", "SageMaker.RESOURCE_LIMIT",
})  # fmt: skip
# ISO 8601, and what definitions write for it: `30d`, `T12H`.
_DURATION = re.compile(
    r"P?(?:(?P<weeks>[0-9]+)W)?(?:(?P<days>[0-9]+)D)?"
    r"(?:T(?:(?P<hours>[0-9]+)H)?(?:(?P<minutes>[0-9]+)M)?(?:(?P<seconds>[0-9]+)S)?)?",
    re.IGNORECASE,
)
# The arguments that are steps themselves.
_HOLDS: Mapping[str, tuple[str, ...]] = {"Condition": ("IfSteps", "ElseSteps"), "ForEach": (BODY,)}
_MOST_ATTEMPTS, _LONGEST_MINUTES = 20, 14_400


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of the pipeline.

    Attributes:
        name: Its name.
        kind: String, Integer, Float or Boolean.
        default: Its value where a run gives none; None if a run must give one.
        values: Those that are allowed; empty if all are.
    """

    name: str
    kind: str
    default: object = None
    values: tuple[str, ...] = ()

    def value_of(self, given: object) -> object:
        """Return a value as one of the parameter's type: a Float's 6 is 6.0.

        Raises:
            ValueError: It is of another type, or not allowed.
        """
        wanted, number = _TYPES[self.kind], finite(given)
        if wanted is float and number is not None:
            return number
        if wanted is int and number is not None and number == int(number):
            # Airflow's form accepts 6.0 for a whole number.
            return given if isinstance(given, int) else int(number)
        if not isinstance(given, wanted) or (wanted in {int, float} and number is None):
            raise ValueError(f"parameter {self.name} is {shown(given)}, not of type {self.kind}")
        if self.values and given not in self.values:
            raise ValueError(
                f"parameter {self.name} is {shown(given)}, none of {', '.join(self.values)}"
            )
        return given


@dataclass(frozen=True, slots=True)
class Dependency:
    """A step that another waits for.

    Attributes:
        step: The step's name.
        trigger: How it must have ended: Completed, Failed, Stopped or Any.
    """

    step: str
    trigger: str = COMPLETED


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a step is tried again after failures of some types.

    Attributes:
        exceptions: The types, such as ``SageMaker.CAPACITY_ERROR``.
        interval: Before the first retry.
        backoff_rate: By which the interval grows from retry to retry.
        attempts: So many retries at most; None if only time ends them.
        expires_after: No retry begins so long after the first attempt; None if only a number
            ends them.
    """

    exceptions: frozenset[str]
    interval: timedelta
    backoff_rate: float
    attempts: int | None
    expires_after: timedelta | None


@dataclass(frozen=True, slots=True)
class PropertyFile:
    """A JSON file that a processing step writes, for JsonGet.

    Attributes:
        name: How references call it.
        output: The step's output.
        path: Of the file in that output.
    """

    name: str
    output: str
    path: str


@dataclass(frozen=True, slots=True)
class Branch:
    """What a Condition step decides, and between what."""

    conditions: tuple[Condition, ...]
    if_steps: tuple[Step, ...]
    else_steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class ForEach:
    """What a ForEach step executes for each of its items.

    Attributes:
        body: The steps that each iteration executes.
        at_once: So many iterations of a body step run at a time.
        selector: Picks an iteration; None if none is picked.
    """

    body: tuple[Step, ...]
    at_once: int
    selector: Selector | None


@dataclass(frozen=True, slots=True)
class Step:
    """A step.

    Attributes:
        name: Its name, unique in the definition.
        kind: Its type.
        arguments: As they are written; of a Condition step the conditions only.
        depends_on: The steps that it names in DependsOn.
        display_name: For people; None for the name.
        description: For people.
        caches: Whether a result of earlier may be taken.
        cache_expires_after: A result that is older is not taken; None if age does not matter.
        retry_policies: As they are written.
        property_files: As they are written.
        branch: Of a Condition step.
        each: Of a ForEach step; its arguments are the items only.
        function: The ARN of a Lambda step's function.
        queue: The URL of a Callback step's queue.
        outputs: The types of a Lambda or Callback step's outputs by name.
    """

    name: str
    kind: str
    arguments: Mapping[str, Any] = field(hash=False)
    depends_on: tuple[Dependency, ...] = ()
    display_name: str | None = None
    description: str | None = None
    caches: bool = False
    cache_expires_after: timedelta | None = None
    retry_policies: tuple[RetryPolicy, ...] = ()
    property_files: tuple[PropertyFile, ...] = ()
    branch: Branch | None = None
    each: ForEach | None = None
    function: str | None = None
    queue: str | None = None
    outputs: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Definition:
    """A definition.

    Attributes:
        name: The pipeline's.
        parameters: In their order.
        steps: Those that stand in no branch, in their order.
        sha256: Of the JSON, 64 hexadecimal digits.
    """

    name: str
    parameters: tuple[Parameter, ...]
    steps: tuple[Step, ...]
    sha256: str

    def all_steps(self) -> Iterator[Step]:
        """Yield each step; after a Condition step those of its branches."""
        yield from _all_of(self.steps)


def named_by(path: Path) -> str:
    """Return the name of the pipeline whose definition a file holds, where nothing else says it."""
    return path.stem.replace("_", "-")


def read(text: str | bytes, name: str) -> Definition:
    """Read a definition, or what DescribePipeline answers with one in it.

    Args:
        text: The JSON.
        name: The pipeline's name, where the JSON does not say it: a definition does not.

    Raises:
        DefinitionError: It is malformed, or has what cannot be had here; all such steps are named.
    """
    wire, name = unwrapped(text, name)
    try:
        return _definition(wire, name)
    except DefinitionError as error:
        raise DefinitionError(f"pipeline {name}: {error}") from error.__cause__
    except RecursionError as error:
        raise DefinitionError(f"pipeline {name}: its steps are nested too deeply") from error


def unwrapped(text: str | bytes, name: str) -> tuple[Any, str]:
    """Return the JSON of a definition, and its pipeline's name; neither is checked.

    Raises:
        DefinitionError: It is not JSON.
    """
    try:
        wire = json.loads(
            text, object_pairs_hook=_object, parse_constant=_finite, parse_float=_finite
        )
    except (ValueError, RecursionError) as error:
        raise DefinitionError(f"pipeline {name}: the definition is not JSON: {error}") from error
    if isinstance(wire, Mapping) and isinstance(wire.get("PipelineDefinition"), str):
        return unwrapped(wire["PipelineDefinition"], str(wire.get("PipelineName") or name))
    return wire, name


def _definition(wire: object, name: str) -> Definition:
    if not _PIPELINE_NAME.fullmatch(name):
        raise DefinitionError("a name is of letters, digits, and hyphens in between")
    top = _mapping(wire, "the definition")
    _known(top, _TOP, "the definition")
    if top.get("Version") != VERSION:
        raise DefinitionError(f"its Version is {shown(top.get('Version'))}, not {VERSION!r}")
    if top.get("MlflowConfig") is not None:
        raise DefinitionError(
            "MlflowConfig: runs are not tracked in MLflow from here; build the definition without"
            " it, and let the scripts log to MLflow"
        )
    wire_steps = _list(top.get("Steps"), "Steps")
    refused = [text for item in _walk(wire_steps) if (text := refusal(*item))]
    if refused:
        raise DefinitionError("; ".join(refused))
    parameters = tuple(
        _parameter(item, f"Parameters[{number}]")
        for number, item in enumerate(_list(top.get("Parameters") or [], "Parameters"))
    )
    _unique([parameter.name for parameter in parameters], "parameters")
    steps = tuple(read_step(item, f"Steps[{number}]") for number, item in enumerate(wire_steps))
    if not steps:
        raise DefinitionError("it has no steps")
    _unique([step.name for step in _all_of(steps)], "steps")
    return Definition(name, parameters, steps, naming.fingerprint(wire))


def _walk(wire: list[object]) -> Iterator[tuple[str, object]]:
    """Yield name and type of each step, before anything else is asked of it."""
    for item in wire:
        if isinstance(item, Mapping):
            yield str(item.get("Name")), item.get("Type")
            arguments = item.get("Arguments")
            for member in _HOLDS.get(str(item.get("Type")), ()):
                inner = arguments.get(member) if isinstance(arguments, Mapping) else None
                if isinstance(inner, list):
                    yield from _walk(inner)


def _parameter(wire: object, where: str) -> Parameter:
    members = _mapping(wire, where)
    name, kind = members.get("Name"), members.get("Type")
    if not isinstance(name, str) or not name:
        raise DefinitionError(f"{where}: its Name is {shown(name)}, not a text")
    where = f"parameter {name}"
    _known(members, {"Name", "Type", "DefaultValue", "EnumValues"}, where)
    if kind not in _TYPES:
        raise DefinitionError(f"{where}: its Type is {shown(kind)}, none of {', '.join(_TYPES)}")
    values = members.get("EnumValues")
    if values is not None and (kind != "String" or not _are_texts(values) or not values):
        raise DefinitionError(f"{where}: EnumValues are a list of texts, of a String")
    parameter = Parameter(name, str(kind), None, tuple(values or ()))
    default = members.get("DefaultValue")
    if default is None:
        return parameter
    try:
        return Parameter(name, str(kind), parameter.value_of(default), parameter.values)
    except ValueError as error:
        raise DefinitionError(f"DefaultValue: {error}") from error


def read_step(wire: object, where: str) -> Step:
    """Read one step, with those in its branches or its body.

    Raises:
        DefinitionError: It is malformed.
    """
    members = _mapping(wire, where)
    name, kind = members.get("Name"), str(members.get("Type"))
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise DefinitionError(
            f"{where}: its Name is {shown(name)}, not 1 to 64 letters, digits, _ and -"
        )
    where = f"step {name}"
    _known(members, _STEP, where)
    for member, kinds in _ONLY_OF.items():
        if members.get(member) and kind not in kinds:
            raise DefinitionError(f"{where}: a step of type {kind} has no {member}")
    arguments = _mapping(members.get("Arguments"), f"{where}: Arguments")
    caches, expires = _cache(members.get("CacheConfig"), where)
    branch, each = None, None
    if kind == "Condition":
        branch = _branch(arguments, where)
        arguments = {"Conditions": arguments["Conditions"]}
    elif kind == "ForEach":
        each = _each(arguments, where)
        arguments = {ITEMS: arguments[ITEMS]}
    else:
        parsed(arguments, f"{where}: Arguments")
    return Step(
        name,
        kind,
        arguments,
        depends_on=_dependencies(members.get("DependsOn"), where),
        display_name=_text(members, "DisplayName", where),
        description=_text(members, "Description", where),
        caches=caches,
        cache_expires_after=expires,
        retry_policies=tuple(
            _retry_policy(item, f"{where}: RetryPolicies[{number}]")
            for number, item in enumerate(
                _list(members.get("RetryPolicies") or [], f"{where}: RetryPolicies")
            )
        ),
        property_files=_property_files(members.get("PropertyFiles"), where),
        branch=branch,
        each=each,
        function=_address(members, "FunctionArn", of="Lambda", where=where),
        queue=_address(members, "SqsQueueUrl", of="Callback", where=where),
        outputs=_outputs(members.get("OutputParameters"), where),
    )


def _branch(arguments: Mapping[str, Any], where: str) -> Branch:
    _known(arguments, {"Conditions", "IfSteps", "ElseSteps"}, f"{where}: Arguments")

    conditions = parsed_conditions(arguments.get("Conditions"), f"{where}: Conditions")
    return Branch(
        conditions, _steps(arguments, "IfSteps", where), _steps(arguments, "ElseSteps", where)
    )


def _each(arguments: Mapping[str, Any], where: str) -> ForEach:
    body = _steps(arguments, BODY, where)
    at_once, selector = bounds_of(arguments, {step.name: step.kind for step in body}, where)
    for step in body:
        if any(dependency.trigger != COMPLETED for dependency in step.depends_on):
            raise DefinitionError(
                f"step {step.name}: in a {BODY} a step waits for others to be Completed only"
            )
    return ForEach(body, at_once, selector)


def _steps(arguments: Mapping[str, Any], member: str, where: str) -> tuple[Step, ...]:
    steps = _list(arguments.get(member) or [], f"{where}: {member}")
    return tuple(
        read_step(item, f"{where}: {member}[{number}]") for number, item in enumerate(steps)
    )


def _dependencies(wire: object, where: str) -> tuple[Dependency, ...]:
    found: dict[str, Dependency] = {}
    for number, item in enumerate(_list(wire or [], f"{where}: DependsOn")):
        at = f"{where}: DependsOn[{number}]"
        if isinstance(item, str):
            dependency = Dependency(item)
        else:
            members = _mapping(item, at)
            _known(members, {"Step", "Trigger"}, at)
            step, trigger = members.get("Step"), members.get("Trigger", COMPLETED)
            if not isinstance(step, str) or trigger not in _TRIGGERS:
                raise DefinitionError(f"{at} is {shown(item)}, not a step and how it must end")
            dependency = Dependency(step, trigger)
        if found.setdefault(dependency.step, dependency) != dependency:
            raise DefinitionError(f"{at}: {dependency.step} must end in two ways at once")
    return tuple(found.values())


def _cache(wire: object, where: str) -> tuple[bool, timedelta | None]:
    if wire is None:
        return False, None
    members = _mapping(wire, f"{where}: CacheConfig")
    _known(members, {"Enabled", "ExpireAfter"}, f"{where}: CacheConfig")
    enabled, expires = members.get("Enabled", False), members.get("ExpireAfter")
    if not isinstance(enabled, bool):
        raise DefinitionError(f"{where}: CacheConfig.Enabled is {shown(enabled)}, no truth value")
    return enabled, None if expires is None else _duration(expires, where)


def _duration(text: object, where: str) -> timedelta:
    match = _DURATION.fullmatch(text) if isinstance(text, str) else None
    parts = (
        {unit: int(count) for unit, count in match.groupdict().items() if count} if match else {}
    )
    try:
        if parts:
            return timedelta(**parts)
    except OverflowError:
        pass
    raise DefinitionError(
        f"{where}: CacheConfig.ExpireAfter is {shown(text)}; write weeks, days, hours, minutes and"
        " seconds, as in 30d, P4DT12H or T12H"
    )


def _retry_policy(wire: object, where: str) -> RetryPolicy:
    members = _mapping(wire, where)
    _known(
        members,
        {"ExceptionType", "IntervalSeconds", "BackoffRate", "MaxAttempts", "ExpireAfterMin"},
        where,
    )
    told = members.get("ExceptionType")
    exceptions = [told] if isinstance(told, str) else told
    if not _are_texts(exceptions) or not exceptions or not {*exceptions} <= _EXCEPTIONS:
        raise DefinitionError(
            f"{where}: ExceptionType is {shown(told)}; known are {', '.join(sorted(_EXCEPTIONS))}"
        )
    interval = _number(members, "IntervalSeconds", where, least=0, most=1e9, default=1)
    rate = _number(members, "BackoffRate", where, least=0, most=1e3, default=2.0)
    attempts = members.get("MaxAttempts")
    expires = members.get("ExpireAfterMin")
    if (attempts is None) == (expires is None):
        raise DefinitionError(f"{where}: either MaxAttempts or ExpireAfterMin is wanted")
    return RetryPolicy(
        frozenset(exceptions),
        timedelta(seconds=interval),
        rate,
        None
        if attempts is None
        else int(_number(members, "MaxAttempts", where, least=1, most=_MOST_ATTEMPTS)),
        None
        if expires is None
        else timedelta(
            minutes=_number(members, "ExpireAfterMin", where, least=0, most=_LONGEST_MINUTES)
        ),
    )


def _property_files(wire: object, where: str) -> tuple[PropertyFile, ...]:
    files = []
    for number, item in enumerate(_list(wire or [], f"{where}: PropertyFiles")):
        at = f"{where}: PropertyFiles[{number}]"
        members = _mapping(item, at)
        names = ("PropertyFileName", "OutputName", "FilePath")
        _known(members, set(names), at)
        texts = [members.get(name) for name in names]
        if not _are_texts(texts) or not all(texts):
            raise DefinitionError(f"{at}: {', '.join(names)} are texts")
        files.append(PropertyFile(*map(str, texts)))
    _unique([file.name for file in files], f"property files of {where}")
    return tuple(files)


def _address(members: Mapping[str, Any], name: str, *, of: str, where: str) -> str | None:
    address = members.get(name)
    if members.get("Type") == of and (not isinstance(address, str) or not address):
        raise DefinitionError(f"{where}: {name} is {shown(address)}, not a text")
    return address


def _outputs(wire: object, where: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for number, item in enumerate(_list(wire or [], f"{where}: OutputParameters")):
        at = f"{where}: OutputParameters[{number}]"
        members = _mapping(item, at)
        _known(members, {"OutputName", "OutputType"}, at)
        name, kind = members.get("OutputName"), members.get("OutputType", "String")
        if not isinstance(name, str) or not name or kind not in _TYPES:
            raise DefinitionError(f"{at}: an OutputName and one of {', '.join(_TYPES)} are wanted")
        if name in found:
            raise DefinitionError(f"{at}: {name} is there more than once")
        found[name] = str(kind)
    return found


def _number(
    members: Mapping[str, Any], name: str, where: str, *,
    least: float, most: float, default: float | None = None,
) -> float:  # fmt: skip
    value = members.get(name, default)
    number = finite(value)
    if number is None or not least <= number <= most:
        raise DefinitionError(f"{where}: {name} is {shown(value)}, not {least:g} to {most:g}")
    return number


def _text(members: Mapping[str, Any], name: str, where: str) -> str | None:
    value = members.get(name)
    if value is not None and not isinstance(value, str):
        raise DefinitionError(f"{where}: {name} is {shown(value)}, not a text")
    return value or None


def _all_of(steps: tuple[Step, ...]) -> Iterator[Step]:
    for step in steps:
        yield step
        if step.branch:
            yield from _all_of(step.branch.if_steps)
            yield from _all_of(step.branch.else_steps)
        if step.each:
            yield from _all_of(step.each.body)


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    _unique([key for key, _ in pairs], "members of an object")
    return dict(pairs)


def _finite(text: str) -> float:
    if finite(value := float(text)) is None:
        raise ValueError(f"{text} is no number that JSON has")
    return value


def _unique(names: list[str], what: str) -> None:
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise DefinitionError(f"{what}: {', '.join(twice)} is there more than once")


def _known(members: Mapping[str, object], known: set[str], where: str) -> None:
    if unknown := sorted(members.keys() - known):
        raise DefinitionError(f"{where} has {', '.join(unknown)}, which is unknown")


def _mapping(value: object, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise DefinitionError(f"{where} is {shown(value)}, not an object")
    return value


def _list(value: object, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise DefinitionError(f"{where} is {shown(value)}, not a list")
    return value


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)
