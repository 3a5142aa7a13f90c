"""The words of a DAG file that stands for a definition: its steps, each an operator.

    with DAG(…, params=PARAMETERS) as dag, Steps("my-pipeline", PARAMETERS) as steps:
        train = steps.add("Training", "Train", Arguments={…})
        check = steps.add("Condition", "Check", Conditions=[LessThan(Metric(…), Parameter("Most"))])
        with steps.branch(check, "if"):
            steps.add("Model", "Model", Arguments={…})

        @steps.each("Fan", Arguments={"IterableItems": ["a", "b"], "MaxConcurrency": 2})
        def fan() -> None:
            steps.add("Lambda", "Ask", Arguments={"item": "{{ for_each.CurrentItem }}"}, …)

        train >> [check, fan]

A step has the members of a definition's, with templates as ``notation`` says. At the block's end
all is read as a definition, and what could not be had of one is refused in the same words.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow.sdk import TriggerRule

from retraining.jobs.lifecycle import SageMakerJobTask
from retraining.sagemaker_pipelines.compiler import group_of, iterations, join, task_of
from retraining.sagemaker_pipelines.definition import (
    COMPLETED,
    VERSION,
    Definition,
    ForEach,
    Step,
    read,
    read_step,
)
from retraining.sagemaker_pipelines.execution import Pipeline
from retraining.sagemaker_pipelines.for_each import BODY, ITEMS, at_once_of
from retraining.sagemaker_pipelines.form import TYPES, form
from retraining.sagemaker_pipelines.graph import Arm, Node, group_id, nodes
from retraining.sagemaker_pipelines.notation import (
    Equals,
    GreaterThan,
    GreaterThanOrEqualTo,
    In,
    LessThan,
    LessThanOrEqualTo,
    Metric,
    Not,
    Or,
    Parameter,
    from_templates,
)
from retraining.sagemaker_pipelines.references import DefinitionError
from retraining.sagemaker_pipelines.refusals import refusal
from retraining.sagemaker_pipelines.shapes import (
    channel,
    output_of,
    processing_input,
    processing_output,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import TracebackType

    from airflow.sdk import BaseOperator, Param

__all__ = [
    "Equals",
    "GreaterThan",
    "GreaterThanOrEqualTo",
    "In",
    "LessThan",
    "LessThanOrEqualTo",
    "Metric",
    "Not",
    "Or",
    "Parameter",
    "Steps",
    "channel",
    "output_of",
    "processing_input",
    "processing_output",
]

_ARMS = {"if": "IfSteps", "else": "ElseSteps"}
_KINDS = {schema: kind for kind, schema in TYPES.items()}


class Steps:
    """The steps of a pipeline, in the DAG in whose block they are added.

    Args:
        pipeline: The pipeline's name, in the names of what it makes and where it writes.
        parameters: Those of the DAG, with types as ``form`` has them.
        snapshot: The parameter that is the date of the data, YYYY-MM-DD; where a run does not give
            it, it is the run's own date. None if none is.

    Raises:
        DefinitionError: A parameter is none that a definition can have.
    """

    def __init__(
        self, pipeline: str, parameters: Mapping[str, Param], *, snapshot: str | None = None
    ) -> None:
        self._snapshot = snapshot
        self._wire: dict[str, Any] = {
            "Version": VERSION,
            "Parameters": [_parameter(name, param) for name, param in parameters.items()],
            "Steps": [],
        }
        self._tasks: dict[str, BaseOperator] = {}
        self._steps: dict[str, dict[str, Any]] = {}
        self._triggers: dict[tuple[str, str], str] = {}
        # Until all steps are known.
        self._pipeline = Pipeline(Definition(pipeline, (), (), ""), {}, snapshot)
        self._arm: Arm | None = None
        # Of a ForEach step the task that waits for others; and the ForEach that is being filled.
        self._items: dict[str, BaseOperator] = {}
        self._each: Node | None = None
        self._siblings: list[Any] = self._wire["Steps"]

    def __enter__(self) -> Steps:
        """Begin."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Read all steps as a definition.

        Raises:
            DefinitionError: They could not be had of one.
        """
        if kind is None:
            self._complete()

    def add(self, kind: str, name: str, **members: Any) -> BaseOperator:
        """Add a step, and return its task.

        Args:
            kind: Its type.
            name: Its name, and the task's id.
            members: What a definition says of it, by the names that it has there; but of a
                Condition ``Conditions`` and no ``Arguments``, and no ``DependsOn``: tasks wait by
                ``>>``.

        Raises:
            DefinitionError: The step is malformed; the message names it.
        """
        where = self._where(name)
        if kind == "ForEach":
            raise DefinitionError(f"{where}: a ForEach step is said by Steps.each")
        if kind == "Condition":
            conditions = members.pop("Conditions", None)
            members = {"Arguments": {"Conditions": conditions}, **members}
        wire = self._written(kind, name, members)
        step = read_step(wire, where)
        each = self._each.step.name if self._each else None
        node = Node(step, self._arm, (), each=each, begins=name)
        others = {self._each.step.name: self._each} if self._each else {}
        task = task_of(step, replace(self._pipeline, nodes={**others, name: node}))
        if self._arm and not each:
            join(self._tasks[self._arm.condition], _word(self._arm), task)
        self._tasks[name] = task
        return task

    def each(
        self, name: str, *, items: str | None = None, group: str | None = None, **members: Any
    ) -> Callable[[Callable[[], object]], BaseOperator]:
        """Add a ForEach step; the decorated function adds its body, and becomes the step's task.

        Args:
            name: Its name, and the task's id.
            items: The id of the task that finds the items; None for the name with ``__items``.
            group: The name of the body's group; None for the name with ``__each``.
            members: As of ``add``, but for the arguments' ForEachBody.

        Raises:
            DefinitionError: The step is malformed; the message names it.
        """

        def added(body: Callable[[], object]) -> BaseOperator:
            wire = self._written("ForEach", name, members)
            where, arguments = f"step {name}", wire["Arguments"]
            if self._each:
                raise DefinitionError(f"{where} stands in the body of {self._each.step.name}")
            if not isinstance(arguments, dict) or BODY in arguments:
                raise DefinitionError(
                    f"{where}: its Arguments are what a definition says but for the {BODY}, which"
                    " the function adds"
                )
            filling = ForEach((), at_once_of(arguments, where), None)
            outer = self._siblings
            told = Step(name, "ForEach", {ITEMS: arguments.get(ITEMS)}, each=filling)
            self._each = Node(told, self._arm, (), each=None, begins=name)
            self._siblings = arguments[BODY] = []
            begins = items or group_id(name, "items", self._steps)
            try:
                self._items[name], inner = iterations(
                    begins,
                    group or group_id(name, "each", self._steps),
                    wire.get("DisplayName") or name,
                    body,
                    compiled=replace(self._pipeline, nodes={name: self._each}),
                    step=name,
                )
            finally:
                self._each, self._siblings = None, outer
            step = read_step(wire, self._where(name))
            node = Node(step, self._arm, (), each=None, begins=begins)
            task = task_of(step, replace(self._pipeline, nodes={name: node}))
            inner >> task
            if self._arm:
                join(self._tasks[self._arm.condition], _word(self._arm), self._items[name])
            self._tasks[name] = task
            return task

        return added

    def _where(self, name: str) -> str:
        return f"pipeline {self._pipeline.definition.name}: step {name}"

    def _written(self, kind: str, name: str, members: Mapping[str, Any]) -> dict[str, Any]:
        """Write a step down as a definition has it, among those that are there.

        Raises:
            DefinitionError: It cannot be had, or is there already.
        """
        where = self._where(name)
        if "DependsOn" in members:
            raise DefinitionError(f"{where}: DependsOn is said by >> and by Steps.after")
        told = _json(from_templates(members, where), where)
        wire = {"Arguments": {}, **told, "Name": name, "Type": kind}
        if refused := refusal(name, kind):
            raise DefinitionError(f"pipeline {self._pipeline.definition.name}: {refused}")
        if name in self._steps:
            raise DefinitionError(f"{where} is there more than once")
        self._siblings.append(wire)
        self._steps[name] = wire
        return wire

    @contextmanager
    def branch(
        self, condition: BaseOperator, arm: str, *, group: str | None = None
    ) -> Iterator[None]:
        """Put steps into a branch of a Condition step.

        Args:
            condition: The step's task.
            arm: ``if`` or ``else``.
            group: The name of the tasks' group; None for the condition's with ``__if`` or
                ``__else``.

        Raises:
            DefinitionError: There is no such branch.
        """
        name = condition.task_id
        wire = self._steps.get(name, {})
        if arm not in _ARMS or wire.get("Type") != "Condition":
            raise DefinitionError(f"{name} has no branch {arm!r}: a Condition has if and else")
        step = read_step(wire, name)
        outer = self._arm, self._siblings
        self._arm = Arm(name, outcome=arm == "if")
        self._siblings = wire["Arguments"].setdefault(_ARMS[arm], [])
        try:
            with group_of(step, arm, group or group_id(name, arm, self._steps)):
                yield
        finally:
            self._arm, self._siblings = outer

    def after(self, before: BaseOperator, trigger: str, task: BaseOperator) -> None:
        """Let a step wait for another that ends in another way than ``>>`` wants it.

        Args:
            before: The other one's task.
            trigger: How it must end: Failed, Stopped or Any.
            task: The step's task.
        """
        begins = self._items.get(task.task_id, task)
        if not self._is_condition_of(before.task_id, task.task_id):
            join(before, trigger, begins)
        self._triggers[before.task_id, task.task_id] = trigger
        # The task looks for itself how each of them has ended.
        begins.trigger_rule = TriggerRule.ALL_DONE

    def _wait_with_items(self) -> None:
        """Let the task that finds a ForEach's items wait for what the step's was told to."""
        for name, items in self._items.items():
            end, body = self._tasks[name], self._steps[name]["Arguments"][BODY]
            for other in end.upstream_task_ids & self._tasks.keys() - {s["Name"] for s in body}:
                end.upstream_task_ids.remove(other)
                self._tasks[other].downstream_task_ids.remove(name)
                join(self._tasks[other], COMPLETED, items)

    def _complete(self) -> None:
        self._wait_with_items()
        for name, task in self._tasks.items():
            begins = self._items.get(name, task)
            self._steps[name]["DependsOn"] = [
                {"Step": other, "Trigger": self._triggers.get((other, name), COMPLETED)}
                for other in self._tasks
                if other in begins.upstream_task_ids
                if (other, name) in self._triggers or not self._is_condition_of(other, name)
            ]
        definition = read(json.dumps(self._wire), self._pipeline.definition.name)
        form(definition, self._snapshot)
        placed = nodes(definition)
        for name, node in placed.items():
            # Other tasks may stand in between.
            before = self._tasks[name].get_flat_relative_ids(upstream=True)
            for dependency in node.waits_for:
                if dependency.step not in before:
                    raise DefinitionError(
                        f"pipeline {definition.name}: step {name} refers to {dependency.step} and"
                        f" does not wait for it; write that {dependency.step} >> {name}"
                    )
        pipeline = Pipeline(definition, placed, self._snapshot)
        for task in (*self._items.values(), *self._tasks.values()):
            task.compiled = pipeline
            if isinstance(task, SageMakerJobTask):
                # Its folder is called as what is registered, which may be a later step.
                task.pipeline = pipeline.name

    def _is_condition_of(self, condition: str, name: str) -> bool:
        arguments = self._steps[condition]["Arguments"]
        arms = [arguments.get(arm, []) for arm in _ARMS.values()]
        return any(step is self._steps[name] for arm in arms for step in arm)


def _word(arm: Arm) -> str:
    return "if" if arm.outcome else "else"


def _json(value: object, where: str) -> dict[str, Any]:
    """Return members as JSON has them.

    Raises:
        DefinitionError: They hold what JSON has not.
    """
    try:
        told: dict[str, Any] = json.loads(json.dumps(value))
    except (TypeError, ValueError) as error:
        raise DefinitionError(f"{where}: {error}") from error
    return told


def _parameter(name: str, param: Param) -> dict[str, Any]:
    schema = param.schema
    types = schema.get("type")
    told = [item for item in ([types] if isinstance(types, str) else types or []) if item != "null"]
    if len(told) != 1 or told[0] not in _KINDS:
        known = ", ".join(_KINDS)
        raise DefinitionError(f"parameter {name}: its type is {types!r}, none of {known}")
    wire = {"Name": name, "Type": _KINDS[told[0]]}
    if param.has_value and param.value is not None:
        wire["DefaultValue"] = param.value
    if schema.get("enum"):
        wire["EnumValues"] = schema["enum"]
    return wire
