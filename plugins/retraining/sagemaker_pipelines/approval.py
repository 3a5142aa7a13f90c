"""Asking a person about what a definition's steps register, which Pipelines leaves to others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import Label

from retraining import params
from retraining.approval.operators import AskForApprovalOperator, record_approval
from retraining.python_tasks import PipelineTask
from retraining.sagemaker_pipelines.gates import REGISTRATION
from retraining.sagemaker_pipelines.graph import group_id
from retraining.sagemaker_pipelines.references import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow.sdk import BaseOperator, Param

    from retraining.sagemaker_pipelines.definition import Definition, Step

_PARAMETERS = ("ask_for_approval", "approval_hours")


def parameters(definition: Definition) -> dict[str, Param]:
    """Return the parameters of a DAG that asks, as hand-written ones have them.

    Raises:
        DefinitionError: The definition registers nothing, or has parameters of these names.
    """
    where = f"pipeline {definition.name}: ask_for_approval is set, and"
    if not _registers(definition.all_steps()):
        raise DefinitionError(f"{where} no step registers a model")
    if any(step.each and _registers(step.each.body) for step in definition.all_steps()):
        raise DefinitionError(f"{where} nobody can be asked about what a ForEach registers")
    taken = {parameter.name for parameter in definition.parameters}.intersection(_PARAMETERS)
    if taken:
        raise DefinitionError(
            f"{where} the definition has a parameter {', '.join(sorted(taken))} of its own: rename"
            " that"
        )
    found = params.retraining(ask_for_approval=True)
    return {name: found[name] for name in _PARAMETERS}


def _registers(steps: Iterable[Step]) -> bool:
    return any(step.kind == REGISTRATION for step in steps)


def ask(register: BaseOperator, step: Step, *, endpoint_name: str, taken: set[str]) -> None:
    """Add the question about what a step registers, and the task that writes the answer down.

    Args:
        register: The step's task.
        step: The step.
        endpoint_name: Where the version would be deployed.
        taken: The ids of the definition's own tasks.
    """
    title = step.display_name or step.name
    asked: Any = AskForApprovalOperator(
        task_id=group_id(step.name, "ask_for_approval", taken),
        task_display_name=f"{title}: ask for approval",
        registered=register.output,
        endpoint_name=endpoint_name,
    )
    recorded = PipelineTask(
        task_id=group_id(step.name, "record_approval", taken),
        task_display_name=f"{title}: record approval",
        python_callable=record_approval,
        op_kwargs={"registered": register.output, "answer": asked.output},
        outlets=[*register.outlets],
    )
    register >> asked >> Label("answered") >> recorded
