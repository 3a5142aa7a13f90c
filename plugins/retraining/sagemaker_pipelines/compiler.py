"""A definition as an Airflow DAG: the door of this room."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, Param, TaskGroup, TriggerRule, task_group
from airflow.sdk.definitions.param import ParamsDict

from retraining import dag_defaults, params
from retraining.registry.assets import approvals
from retraining.sagemaker_pipelines import approval
from retraining.sagemaker_pipelines.definition import COMPLETED, Definition, named_by, read
from retraining.sagemaker_pipelines.execution import CACHED, JOB_TYPES, Pipeline
from retraining.sagemaker_pipelines.for_each_step import ForEachItemsOperator
from retraining.sagemaker_pipelines.form import form
from retraining.sagemaker_pipelines.from_sdk import BuiltPipeline
from retraining.sagemaker_pipelines.gates import REGISTRATION, is_shown
from retraining.sagemaker_pipelines.graph import group_id, nodes
from retraining.sagemaker_pipelines.operators import OPERATORS
from retraining.sagemaker_pipelines.references import DefinitionError
from retraining.sagemaker_pipelines.retry_policy import StepRetryPolicy
from retraining.settings import job_pool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow.sdk import BaseOperator
    from airflow.sdk.definitions._internal.node import DAGNode

    from retraining.sagemaker_pipelines.definition import Step
    from retraining.sagemaker_pipelines.graph import Node

_MOST_RETRIES = 20


def pipeline_dag(
    definition: str | Path | Definition | BuiltPipeline,
    *,
    dag_id: str | None = None,
    schedule: Any = None,
    name: str | None = None,
    snapshot: str | None = None,
    ask_for_approval: bool = False,
    **arguments: Any,
) -> DAG:
    """Return the DAG that runs a SageMaker Pipelines definition.

    A task's id is its step's name. Parameters become the DAG's, with a form.

    Args:
        definition: The file with the JSON, of ``Pipeline.definition()`` or of DescribePipeline; a
            relative path is looked for beside the DAG's file and in the folders above it. Or a
            definition that was read already, or a ``Pipeline`` of the SageMaker SDK.
        dag_id: The DAG's id; None for the file's name, with underscores for hyphens.
        schedule: The DAG's. Only a definition whose parameters all have defaults can have one.
        name: The pipeline's, where the JSON does not say it; None for the file's name, with
            hyphens for underscores.
        snapshot: The String parameter that is the date of the data, YYYY-MM-DD. Where a run does
            not give it, it is the run's own date, so a backfill works on each date's data, and
            what is registered carries it.
        ask_for_approval: Whether a person is asked, in Airflow, about each pending version that is
            registered; parameters of the DAG say it for a single run, as in hand-written ones.
        arguments: Further arguments of ``DAG``, such as ``max_active_tasks`` for what Pipelines
            calls ParallelismConfiguration.

    Raises:
        DefinitionError: The definition is malformed or has what cannot be had; the message names
            the step and what to do instead.
        FileNotFoundError: There is no such file.
    """
    if isinstance(definition, BuiltPipeline):
        definition = read(definition.definition(), name or definition.name)
    elif not isinstance(definition, Definition):
        caller = Path(sys._getframe(1).f_code.co_filename)  # noqa: SLF001 - Python's own way
        path = _found(Path(definition), caller)
        definition = read(path.read_bytes(), name or named_by(path))
        dag_id = dag_id or path.stem.replace("-", "_")
    pipeline = Pipeline(definition, nodes(definition), snapshot)
    parameters = _parameters(pipeline, scheduled=schedule is not None)
    if ask_for_approval:
        parameters |= approval.parameters(definition)
    dag = DAG(
        dag_id=dag_id or definition.name.replace("-", "_"),
        schedule=schedule,
        params=parameters,
        **{
            **dag_defaults.compiled(pipeline.name, is_shown=is_shown(definition, pipeline.nodes)),
            "doc_md": _documentation(definition, parameters),
            **arguments,
        },
    )
    with dag:
        tasks = dict(_added(definition.steps, pipeline, asks=ask_for_approval))
        for node in pipeline.nodes.values():
            waits = [(dependency.step, dependency.trigger) for dependency in node.waits_for]
            if node.arm and not node.each:
                waits.append((node.arm.condition, "if" if node.arm.outcome else "else"))
            for before, label in waits:
                join(tasks[before], label, tasks[node.begins])
    return dag


def join(before: BaseOperator, label: str, after: BaseOperator) -> None:
    """Let a task wait for another, with a label on the edge where it says more than completion."""
    before.set_downstream(after)
    if label != COMPLETED:
        # Airflow's Label would join the groups that the two stand in.
        after.dag.set_edge_info(before.task_id, after.task_id, {"label": label})


def _added(
    steps: tuple[Step, ...], pipeline: Pipeline, *, asks: bool
) -> Iterator[tuple[str, BaseOperator]]:
    """Add the tasks of steps, those of a condition's branches in groups of their own."""
    for step in steps:
        if step.each:
            yield from _iterated(step, step.each.body, pipeline)
            continue
        task = task_of(step, pipeline)
        yield step.name, task
        if asks and step.kind == REGISTRATION:
            approval.ask(task, step, endpoint_name=pipeline.name, taken={*pipeline.nodes})
        if step.branch:
            for arm, inner in (("if", step.branch.if_steps), ("else", step.branch.else_steps)):
                if inner:
                    with group_of(step, arm, group_id(step.name, arm, pipeline.nodes)):
                        yield from _added(inner, pipeline, asks=asks)


def _iterated(
    step: Step, body: tuple[Step, ...], pipeline: Pipeline
) -> Iterator[tuple[str, BaseOperator]]:
    """Add the tasks of a ForEach step and those of its body."""
    node = pipeline.nodes[step.name]
    inner: list[tuple[str, BaseOperator]] = []
    items, group = iterations(
        node.begins,
        group_id(step.name, "each", pipeline.nodes),
        step.display_name or step.name,
        lambda: inner.extend(_added(body, pipeline, asks=False)),
        compiled=pipeline,
        step=step.name,
        **_rule(node),
    )
    end = task_of(step, pipeline)
    group >> end
    yield node.begins, items
    yield from inner
    yield step.name, end


def iterations(
    task_id: str, group: str, title: str, add: Callable[[], object], **arguments: Any
) -> tuple[BaseOperator, DAGNode]:
    """Add what finds a ForEach step's items, and a group that is executed for each of them.

    Args:
        task_id: Of the task that finds them.
        group: The group's id.
        title: The step's, for people.
        add: Adds the tasks of the group.
        arguments: Further ones of the task.

    Returns:
        The task and the group.
    """
    items = ForEachItemsOperator(task_id=task_id, task_display_name=f"{title}: items", **arguments)
    items.params = ParamsDict()

    @task_group(group_id=group, group_display_name=f"{title}: each", prefix_group_id=False)
    def body(item: Any) -> None:  # noqa: ARG001 - Airflow wants one; a step asks for it by its index
        add()

    return items, body.expand(item=items.output)


def _rule(node: Node) -> dict[str, Any]:
    if any(dependency.trigger != COMPLETED for dependency in node.waits_for):
        # The task looks for itself how each of them has ended.
        return {"trigger_rule": TriggerRule.ALL_DONE}
    return {}


def group_of(step: Step, arm: str, name: str) -> TaskGroup:
    """Return the group of the steps in a branch, ``if`` or ``else``, of a Condition step."""
    title = f"{step.display_name or step.name}: {arm}"
    return TaskGroup(name, prefix_group_id=False, group_display_name=title)


def task_of(step: Step, pipeline: Pipeline) -> BaseOperator:
    """Add the task that executes a step to the DAG in whose block this is called."""
    node = pipeline.nodes[step.name]
    arguments = _rule(node)
    if node.each:
        each = pipeline.nodes[node.each].step.each
        arguments["max_active_tis_per_dagrun"] = each.at_once if each else None
    if step.kind in JOB_TYPES:
        arguments["pool"] = job_pool()
    if step.retry_policies:
        arguments["retry_policy"] = StepRetryPolicy(step.retry_policies)
        arguments["retries"] = _MOST_RETRIES
    if step.kind == "ForEach":
        # However its iterations have ended, it says so.
        arguments["trigger_rule"] = TriggerRule.ALL_DONE
    if step.kind == REGISTRATION:
        group = step.arguments.get("ModelPackageGroupName")
        if isinstance(group, str):
            arguments["outlets"] = [approvals(group)]
    task: BaseOperator = OPERATORS[step.kind](
        task_id=step.name,
        task_display_name=step.display_name or step.name,
        doc_md=step.description,
        compiled=pipeline,
        step=step.name,
        **arguments,
    )
    # Airflow gives each task a copy of the DAG's, and holds each copy against its schema when it
    # serializes the DAG: a third of the time. A task is told the DAG's own all the same.
    task.params = ParamsDict()
    return task


def _parameters(pipeline: Pipeline, *, scheduled: bool) -> dict[str, Param]:
    definition, snapshot = pipeline.definition, pipeline.snapshot
    parameters = {
        name: Param(**arguments) for name, arguments in form(definition, snapshot).items()
    }
    missing = [
        item.name
        for item in definition.parameters
        if item.default is None and item.name != snapshot
    ]
    if scheduled and missing:
        raise DefinitionError(
            f"pipeline {definition.name}: it has a schedule, and no run of that gives a value for"
            f" {', '.join(missing)}; give defaults, or leave the schedule out"
        )
    return parameters


def _documentation(definition: Definition, parameters: dict[str, Param]) -> str:
    # Airflow cuts long arguments; by the hash it sees each change, and makes a new version.
    words = f"The SageMaker pipeline **{definition.name}**, compiled from its definition."
    words += f" Its SHA-256 is `{definition.sha256}`."
    uncached = [
        f"`{step.name}` ({step.kind})"
        for step in definition.all_steps()
        if step.caches and step.kind not in CACHED
    ]
    if uncached:
        words += (
            f"\n\nTheir `CacheConfig` is not used, and they run each time: {', '.join(uncached)}."
        )
    return f"{words}{params.table(parameters)}"


def _found(path: Path, caller: Path) -> Path:
    for folder in caller.resolve().parents:
        if (folder / path).is_file():
            return folder / path
    raise FileNotFoundError(f"{path} lies neither beside {caller} nor in a folder above it")
