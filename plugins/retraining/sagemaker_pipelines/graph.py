"""Which step waits for which, and whether all that a definition refers to exists."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any

from retraining.aws import service_models
from retraining.gate.conditions import shown
from retraining.sagemaker_pipelines import cleanup
from retraining.sagemaker_pipelines.definition import Dependency, Step
from retraining.sagemaker_pipelines.for_each import COUNTS, ITEMS, MOST_ITEMS, STATUS
from retraining.sagemaker_pipelines.references import (
    NAME_MEMBERS,
    CurrentItem,
    DefinitionError,
    Iteration,
    Parameter,
    Property,
    PropertyFile,
    Reference,
    found,
    parsed,
    spelled,
)

if TYPE_CHECKING:
    from retraining.sagemaker_pipelines.definition import Definition

# What a step makes: its arguments are those of the Create call, its properties what Describe
# answers. The name is given when the step is executed, but for an endpoint's, which callers know.
_MAKES: Mapping[str, str] = {
    "Processing": "ProcessingJob",
    "Training": "TrainingJob",
    "Transform": "TransformJob",
    "Tuning": "HyperParameterTuningJob",
    "Model": "Model",
    "RegisterModel": "ModelPackage",
    "EndpointConfig": "EndpointConfig",
    "Endpoint": "Endpoint",
}
_CONFIG_NAME = "EndpointConfigName"
OUTCOME, OUTPUTS = "Outcome", "OutputParameters"
# What a tuning step has besides, from ListTrainingJobsForHyperParameterTuningJob: the best first.
TRAINING_JOBS = "TrainingJobSummaries"


@dataclass(frozen=True, slots=True)
class Arm:
    """A branch in which a step stands.

    Attributes:
        condition: The Condition step.
        outcome: What it must have decided.
    """

    condition: str
    outcome: bool


@dataclass(frozen=True, slots=True)
class Node:
    """A step in its place.

    Attributes:
        step: The step.
        arm: The innermost branch in which it stands; None outside of all.
        waits_for: Its dependencies, those that follow from its references too; without the
            condition of its branch.
        each: The ForEach step whose iterations execute it; None for one that runs once.
        begins: The task that waits for these: its own, or the one that finds a ForEach's items.
    """

    step: Step
    arm: Arm | None
    waits_for: tuple[Dependency, ...]
    each: str | None
    begins: str


def nodes(definition: Definition) -> dict[str, Node]:
    """Return each step in its place, by name, in an order in which none comes before its needs.

    Raises:
        DefinitionError: A reference leads to what is not there, or steps wait for each other.
    """
    try:
        inside = {
            inner.name: step.name
            for step in definition.all_steps()
            if step.each
            for inner in step.each.body
        }
        steps = {step.name: step for step in definition.all_steps()}
        placed = {
            step.name: Node(
                step,
                arm,
                _waits_for(step, definition, inside),
                inside.get(step.name),
                group_id(step.name, "items", steps) if step.each else step.name,
            )
            for step, arm in _with_arms(definition.steps, None)
        }
        waits = {
            name: [item.step for item in node.waits_for]
            + ([node.arm.condition] if node.arm else [])
            for name, node in placed.items()
        }
        for name, each in inside.items():
            # A ForEach ends after its iterations, which begin once it may.
            waits[name] += [other for other in waits[each] if inside.get(other) != each]
            waits[each].append(name)
        order = list(TopologicalSorter(waits).static_order())
    except CycleError as error:
        circle = " waits for ".join(reversed(error.args[1]))
        raise DefinitionError(f"pipeline {definition.name}: {circle}: nothing begins") from error
    except DefinitionError as error:
        raise DefinitionError(f"pipeline {definition.name}: {error}") from error
    # Steps that could change places stay as the author wrote them.
    depth: dict[str, int] = {}
    for name in order:
        depth[name] = max((depth[other] + 1 for other in waits[name]), default=0)
    return dict(sorted(placed.items(), key=lambda item: depth[item[0]]))


def group_id(step: str, part: str, steps: Container[str]) -> str:
    """Return the name of a group or task of a step besides its own, such as ``if``: no step's."""
    name = f"{step}__{part}"
    while name in steps:
        name += "_"
    return name


def _with_arms(steps: tuple[Step, ...], arm: Arm | None) -> Iterator[tuple[Step, Arm | None]]:
    for step in steps:
        yield step, arm
        if step.branch:
            yield from _with_arms(step.branch.if_steps, Arm(step.name, outcome=True))
            yield from _with_arms(step.branch.else_steps, Arm(step.name, outcome=False))
        if step.each:
            yield from _with_arms(step.each.body, arm)


def _waits_for(
    step: Step, definition: Definition, inside: Mapping[str, str]
) -> tuple[Dependency, ...]:
    _check_request(step)
    steps = {other.name: other for other in definition.all_steps()}
    waits = {dependency.step: dependency for dependency in step.depends_on}
    for name in waits:
        if name not in steps:
            raise DefinitionError(f"step {step.name}: DependsOn names {name}, which is no step")
        _check_reach(name, step, inside, f"step {step.name}: DependsOn")
    parameters = {parameter.name for parameter in definition.parameters}
    if step.kind == "Endpoint":
        _check_endpoint(step, steps.values())
    if step.kind == "Cleanup":
        cleanup.check(step, steps)
        for source in cleanup.sources(step):
            waits.setdefault(source.step, Dependency(source.step))
    if step.each and step.each.selector:
        picked, field = step.each.selector.body, step.each.selector.field
        assert isinstance(field, Property)  # noqa: S101 - it names a step and a member
        _check_property(steps[picked], field.path, f"step {step.name}: {spelled(field)}")
    for reference in references_of(step):
        _check(reference, step, steps=steps, parameters=parameters, inside=inside)
        if isinstance(reference, Property | PropertyFile | Iteration):
            waits.setdefault(reference.step, Dependency(reference.step))
    return tuple(waits.values())


def references_of(step: Step) -> Iterator[Reference]:
    """Yield all references of a step; not those of the steps in its branches."""
    return found(parsed(step.arguments, f"step {step.name}: Arguments"))


def _check(
    reference: Reference,
    step: Step,
    *,
    steps: Mapping[str, Step],
    parameters: set[str],
    inside: Mapping[str, str],
) -> None:
    where = f"step {step.name}: {spelled(reference)}"
    match reference:
        case Parameter(name):
            if name not in parameters:
                raise DefinitionError(f"{where}: there is no parameter {name}")
        case CurrentItem():
            if step.name not in inside:
                raise DefinitionError(f"{where}: the step stands in no ForEachBody")
        case Iteration():
            _check_iteration(reference, _step(reference.step, step, steps, where), where)
        case Property(name, path):
            _check_reach(name, step, inside, where)
            _check_property(_step(name, step, steps, where), path, where)
        case PropertyFile(name, file):
            _check_reach(name, step, inside, where)
            _check_property_file(_step(name, step, steps, where), file, where)


def _check_reach(name: str, step: Step, inside: Mapping[str, str], where: str) -> None:
    each = inside.get(name)
    if each is not None and inside.get(step.name) != each:
        raise DefinitionError(
            f"{where}: {name} is executed by each iteration of {each}; write"
            f" Steps.{each}.IterationOutputs[<number>].{name}, or wait for {each}"
        )


def _check_iteration(reference: Iteration, step: Step, where: str) -> None:
    if step.each is None:
        raise DefinitionError(f"{where}: step {step.name} is no ForEach")
    body = {inner.name: inner for inner in step.each.body}
    if reference.index is None:
        if step.each.selector is None:
            raise DefinitionError(f"{where}: step {step.name} has no Selector")
        _check_property(body[step.each.selector.body], reference.path, where)
        return
    items = step.arguments[ITEMS]
    most = len(items) if isinstance(items, list) else MOST_ITEMS
    if reference.index >= most:
        raise DefinitionError(f"{where}: step {step.name} has no more than {most} iterations")
    if reference.body not in body:
        raise DefinitionError(f"{where}: {reference.body} is no step in the body of {step.name}")
    _check_property(body[reference.body], reference.path, where)


def _step(name: str, of: Step, steps: Mapping[str, Step], where: str) -> Step:
    if name not in steps:
        raise DefinitionError(f"{where}: there is no step {name}")
    if name == of.name:
        raise DefinitionError(f"{where}: a step cannot refer to itself")
    return steps[name]


def _check_property(step: Step, path: tuple[str | int, ...], where: str) -> None:
    if step.kind == "Condition":
        if path != (OUTCOME,):
            raise DefinitionError(f"{where}: a Condition has the property {OUTCOME} only")
        return
    if step.kind == "ForEach":
        if path not in {(STATUS,), *((count,) for count in COUNTS)}:
            told = ", ".join((STATUS, *COUNTS))
            raise DefinitionError(f"{where}: a ForEach has the properties {told}")
        return
    if step.kind in {"Lambda", "Callback"}:
        if path[0] != OUTPUTS or len(path) != 2 or path[1] not in step.outputs:
            told = ", ".join(step.outputs) or "nothing"
            raise DefinitionError(f"{where}: the outputs of step {step.name} are {told}")
        return
    if step.kind not in _MAKES:
        raise DefinitionError(f"{where}: a step of type {step.kind} has no properties")
    operation = f"Describe{_MAKES[step.kind]}"
    if step.kind == "Tuning" and path[0] == TRAINING_JOBS:
        operation = "ListTrainingJobsForHyperParameterTuningJob"
    shape = _operation(operation).output_shape
    for part in path:
        shape = _member(shape, part)
        if shape is None:
            raise DefinitionError(f"{where}: {operation} answers with no {part!r} there")


def _member(shape: Any, part: str | int) -> Any:
    match shape.type_name:
        case "structure" if isinstance(part, str):
            return shape.members.get(part)
        case "map" if isinstance(part, str):
            return shape.value
        case "list" if isinstance(part, int) or _has_names(shape.member):
            return shape.member
    return None


def _has_names(shape: Any) -> bool:
    return shape.type_name == "structure" and any(name in shape.members for name in NAME_MEMBERS)


@cache
def _operation(name: str) -> Any:
    return service_models.operation(name)


def _check_request(step: Step) -> None:
    """Check the members of a step's request: there is no other, and none is missing."""
    if step.kind not in _MAKES:
        return
    made = _MAKES[step.kind]
    request = parsed(step.arguments, "")
    assert isinstance(request, Mapping)  # noqa: S101 - else it would not have been read
    shape = _operation(f"Create{made}").input_shape
    name = f"{made}Name"
    is_named_here = name in shape.required_members and made != "Endpoint"
    named = {**request, name: ""} if is_named_here else request
    for fault in _faults(named, shape, "Arguments"):
        raise DefinitionError(f"step {step.name}: {fault}")
    if step.kind == "RegisterModel" and not step.arguments.get("ModelPackageGroupName"):
        raise DefinitionError(
            f"step {step.name} has no ModelPackageGroupName; only versions in a group are"
            " registered from here"
        )


def _check_endpoint(step: Step, steps: Iterable[Step]) -> None:
    if "DeploymentConfig" in step.arguments:
        raise DefinitionError(
            f"step {step.name}: a DeploymentConfig cannot be had; leave the endpoint to the"
            " deployment DAG, retraining.deployment.dag, which flips a bad version back"
        )
    for other in steps:
        named = other.arguments.get(_CONFIG_NAME) if other.kind == "EndpointConfig" else None
        if named is not None and named == step.arguments[_CONFIG_NAME]:
            raise DefinitionError(
                f"step {step.name}: {_CONFIG_NAME} is as step {other.name} has it, but the name of"
                f' that step\'s config is computed when it is made; write {{"Get":'
                f' "Steps.{other.name}.{_CONFIG_NAME}"}}, in the SDK'
                f" {other.name}.properties.{_CONFIG_NAME}"
            )


def _faults(value: object, shape: Any, where: str) -> Iterator[str]:
    # What a reference leads to is checked when it is sent.
    if isinstance(value, Reference):
        return
    match shape.type_name:
        case "structure" if isinstance(value, Mapping):
            for name in sorted(value.keys() - shape.members.keys()):
                yield f"{where} has {name}, which the service does not know there"
            for name in shape.required_members:
                if name not in value:
                    yield f"{where} lacks {name}"
            for name, inner in shape.members.items():
                if value.get(name) is not None:
                    yield from _faults(value[name], inner, f"{where}.{name}")
        case "list" if isinstance(value, tuple):
            for index, item in enumerate(value):
                yield from _faults(item, shape.member, f"{where}[{index}]")
        case "map" if isinstance(value, Mapping):
            for name, inner in value.items():
                yield from _faults(inner, shape.value, f"{where}.{name}")
        case kind if kind in {"structure", "list", "map"} or isinstance(value, Mapping | tuple):
            yield f"{where} is {shown(value)}, not a {kind}"


def _check_property_file(step: Step, name: str, where: str) -> None:
    file = next((file for file in step.property_files if file.name == name), None)
    if file is None:
        raise DefinitionError(f"{where}: step {step.name} declares no property file {name}")
    outputs = step.arguments.get("ProcessingOutputConfig", {}).get("Outputs", [])
    if file.output not in [output.get("OutputName") for output in outputs]:
        raise DefinitionError(f"{where}: step {step.name} has no output {file.output}")
