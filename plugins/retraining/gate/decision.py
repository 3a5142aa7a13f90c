"""The quality gate: an evaluation report and conditions make a decision.

The semantics are those of SageMaker Pipelines' ConditionStep: the operands of all conditions are
resolved first, then the conditions are ANDed; a report that cannot be judged is neither a pass
nor a rejection. No AWS and no Airflow in here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from retraining import naming
from retraining.gate.conditions import Condition, Judgement, judge, to_wire
from retraining.gate.policy import chosen
from retraining.gate.report import UndecidableError, parse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Verdict(StrEnum):
    """What the gate says of a model."""

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    REJECT = "reject"
    UNDECIDABLE = "undecidable"


@dataclass(frozen=True, slots=True)
class Decision:
    """A verdict and how it came about.

    Attributes:
        verdict: The gate's word.
        explanation: The reason in one sentence, for a log line or a note.
        judgements: One for each condition, in the policy's order; empty if undecidable.
        policy_sha256: The hash of the conditions with their parameters' values.
    """

    verdict: Verdict
    explanation: str
    judgements: tuple[Judgement, ...]
    policy_sha256: str


def decide(
    report: bytes, policy: Sequence[Condition], *, parameters: Mapping[str, object]
) -> Decision:
    """Judge an evaluation report.

    Args:
        report: The content of ``evaluation.json``.
        policy: The conditions, all of which must hold.
        parameters: The values of the policy's ``Parameter`` operands.

    Raises:
        ValueError: The policy is empty: a gate that lets everything pass is a mistake.
    """
    if not policy:
        raise ValueError("the policy has no condition, so every model would pass")
    wire = [to_wire(condition, parameters) for condition in policy]
    policy_sha256 = naming.fingerprint(wire)
    try:
        content = parse(report)
        conditions = chosen(policy, parameters)
        judgements = tuple(judge(condition, content, parameters) for condition in conditions)
    except UndecidableError as error:
        return Decision(Verdict.UNDECIDABLE, f"undecidable: {error}", (), policy_sha256)
    failed = [item.explanation for item in judgements if not item.holds]
    if failed:
        return Decision(Verdict.REJECT, "; ".join(failed), judgements, policy_sha256)
    held = "; ".join(item.explanation for item in judgements)
    return Decision(Verdict.PASS, held, judgements, policy_sha256)


def undecidable(
    reason: str, policy: Sequence[Condition], parameters: Mapping[str, object]
) -> Decision:
    """Return the decision for a report that could not even be read."""
    wire = [to_wire(condition, parameters) for condition in policy]
    return Decision(Verdict.UNDECIDABLE, f"undecidable: {reason}", (), naming.fingerprint(wire))
