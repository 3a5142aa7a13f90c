"""Which conditions say whether a model is registered: a run is shown, and kept, by their word.

A declared pipeline has one gate; a definition has conditions, of which some stand before a
RegisterModel step. What they decide is the run's decision, for all who read records.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from retraining import naming
from retraining.sagemaker_pipelines.conditions import negated

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from retraining.gate.wire_reader import Condition
    from retraining.sagemaker_pipelines.definition import Definition
    from retraining.sagemaker_pipelines.graph import Arm, Node

REGISTRATION = "RegisterModel"


def registration(definition: Definition, nodes: Mapping[str, Node]) -> str | None:
    """Return the RegisterModel step that a run is about: the first in a branch; None without."""
    for step in definition.all_steps():
        node = nodes[step.name]
        if step.kind == REGISTRATION and node.arm and not node.each:
            return step.name
    return None


def gates(definition: Definition, nodes: Mapping[str, Node]) -> dict[str, bool]:
    """Return the Condition steps that decide for a run, and the outcome that lets it go on.

    They are those in whose branches ``registration`` stands, the outermost first; what the last of
    them to be executed decides is the run's decision. Where there is no such step it is the first
    Condition step, which is to hold.
    """
    if name := registration(definition, nodes):
        return {arm.condition: arm.outcome for arm in reversed([*_arms(name, nodes)])}
    first = next((step.name for step in definition.all_steps() if step.branch), None)
    return {} if first is None else {first: True}


def is_shown(definition: Definition, nodes: Mapping[str, Node]) -> bool:
    """Return whether the page "Model quality" has anything to show of a definition's runs."""
    registers = any(step.kind == REGISTRATION for step in definition.all_steps())
    return registers or bool(gates(definition, nodes))


def policy(name: str, nodes: Mapping[str, Node], *, outcome: bool) -> tuple[Condition, ...]:
    """Return the conditions that hold if a Condition step decides for one of its branches."""
    branch = nodes[name].step.branch
    assert branch is not None  # noqa: S101 - it is a Condition step
    return branch.conditions if outcome else negated(branch.conditions)


def folder(definition: Definition) -> str:
    """Return the folder of a definition's records in the bucket, as everything calls the pipeline.

    It is the model package group, as that is what a pipeline's page, its report and its deployment
    go by; the definition's own name where it registers in none, in several, or in one that a
    parameter names.
    """
    groups = {
        name if isinstance(name := step.arguments["ModelPackageGroupName"], str) else ""
        for step in definition.all_steps()
        if step.kind == REGISTRATION
    }
    group = groups.pop() if len(groups) == 1 else ""
    # A group may be named by its ARN, too.
    return group if naming.ENDPOINT_NAME.fullmatch(group) else definition.name


def _arms(name: str, nodes: Mapping[str, Node]) -> Iterator[Arm]:
    while (arm := nodes[name].arm) is not None:
        yield arm
        name = arm.condition
