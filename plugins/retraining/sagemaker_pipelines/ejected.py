"""The words of a DAG file that stands for a definition: its steps, each an operator.

    with DAG(…, params=PARAMETERS) as dag, Steps("my-pipeline", PARAMETERS) as steps:
        train = steps.add("Training", "Train", Arguments={…})
        check = steps.add("Condition", "Check", Conditions=[LessThan(Metric(…), Parameter("Most"))])
        with steps.branch(check, "if"):
            steps.add("Model", "Model", Arguments={…})
        train >> check

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
from retraining.sagemaker_pipelines.compiler import group_of, join, task_of
from retraining.sagemaker_pipelines.definition import (
    COMPLETED,
    VERSION,
    Definition,
    read,
    read_step,
)
from retraining.sagemaker_pipelines.execution import Pipeline
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
from retraining.sagemaker_pipelines.refusals import eject_refusal, refusal
from retraining.sagemaker_pipelines.shapes import (
    channel,
    output_of,
    processing_input,
    processing_output,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
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
        where = f"pipeline {self._pipeline.definition.name}: step {name}"
        if "DependsOn" in members:
            raise DefinitionError(f"{where}: DependsOn is said by >> and by Steps.after")
        if kind == "Condition":
            conditions = members.pop("Conditions", None)
            members = {"Arguments": {"Conditions": conditions}, **members}
        told = _json(from_templates(members, where), where)
        wire = {"Arguments": {}, **told, "Name": name, "Type": kind}
        if refused := refusal(name, kind) or eject_refusal(name, kind):
            raise DefinitionError(f"pipeline {self._pipeline.definition.name}: {refused}")
        step = read_step(wire, where)
        if name in self._steps:
            raise DefinitionError(f"{where} is there more than once")
        node = Node(step, self._arm, (), each=None, begins=name)
        task = task_of(step, replace(self._pipeline, nodes={name: node}))
        if self._arm:
            join(self._tasks[self._arm.condition], _word(self._arm), task)
        self._siblings.append(wire)
        self._steps[name], self._tasks[name] = wire, task
        return task

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
        if not self._is_condition_of(before.task_id, task.task_id):
            join(before, trigger, task)
        self._triggers[before.task_id, task.task_id] = trigger
        # The task looks for itself how each of them has ended.
        task.trigger_rule = TriggerRule.ALL_DONE

    def _complete(self) -> None:
        for name, task in self._tasks.items():
            self._steps[name]["DependsOn"] = [
                {"Step": other, "Trigger": self._triggers.get((other, name), COMPLETED)}
                for other in self._tasks
                if other in task.upstream_task_ids
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
        for task in self._tasks.values():
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
