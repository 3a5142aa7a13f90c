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
from retraining.gate.judging import Judgement, judge
from retraining.gate.policy import checked, chosen
from retraining.gate.report import UndecidableError, parse
from retraining.gate.wire_form import minimum_rows, to_wire
from retraining.gate.words import joined, one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from retraining.gate.conditions import Condition


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
        policy_sha256: The hash of the conditions with their parameters' values and the rows that
            they ask for.
    """

    verdict: Verdict
    explanation: str
    judgements: tuple[Judgement, ...]
    policy_sha256: str


def decide(
    report: bytes, policy: Iterable[Condition], *, parameters: Mapping[str, object]
) -> Decision:
    """Judge an evaluation report.

    Args:
        report: The content of ``evaluation.json``.
        policy: The conditions, all of which must hold.
        parameters: The values of the policy's ``Parameter`` operands.

    Returns:
        The decision, whatever report and parameters are. Its explanation is one line of at most 900
        characters.

    Raises:
        PolicyError: The policy is empty or names no metric: a gate that lets everything pass is a
            mistake.
    """
    conditions = checked(tuple(policy))
    policy_sha256 = policy_hash(conditions, parameters)
    try:
        content = parse(report)
        judgements = tuple(
            judge(condition, content, parameters) for condition in chosen(conditions, parameters)
        )
    except UndecidableError as error:
        return _undecidable(str(error), policy_sha256)
    return decision_on(judgements, policy_sha256)


def decision_on(judgements: tuple[Judgement, ...], policy_sha256: str) -> Decision:
    """Return the decision that follows from judged conditions, all of which must hold."""
    failed = [item.explanation for item in judgements if not item.holds]
    if failed:
        return Decision(Verdict.REJECT, joined(failed), judgements, policy_sha256)
    held = joined([item.explanation for item in judgements])
    return Decision(Verdict.PASS, held, judgements, policy_sha256)


def undecidable(
    reason: str, policy: Iterable[Condition], parameters: Mapping[str, object]
) -> Decision:
    """Return the decision for a report that could not even be read."""
    return _undecidable(reason, policy_hash(checked(tuple(policy)), parameters))


def _undecidable(reason: str, policy_sha256: str) -> Decision:
    return Decision(Verdict.UNDECIDABLE, one_line(f"undecidable: {reason}"), (), policy_sha256)


def policy_hash(conditions: Iterable[Condition], parameters: Mapping[str, object]) -> str:
    """Return the SHA-256 of conditions with their parameters' values and the rows they ask for."""
    conditions = tuple(conditions)
    wire = [to_wire(condition, parameters) for condition in conditions]
    floors = [minimum_rows(condition, parameters) for condition in conditions]
    # A policy that asks for no rows keeps the hash that records of it have.
    return naming.fingerprint(wire, *([floors] if any(floors) else []))
