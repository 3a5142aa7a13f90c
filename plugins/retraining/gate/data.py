"""The gate on data: tonight's report, those of earlier nights and conditions make a decision.

It is a gate of the same kind as that on a model's quality. A policy's metrics are ``data.…`` of
tonight alone, ``distance.…`` from the baseline and ``drift.…`` from the reference; see
``retraining.gate.distance``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from retraining.gate import data_report, distance
from retraining.gate.conditions import (
    Condition,
    Equals,
    GreaterThanOrEqualTo,
    LessThan,
    LessThanOrEqualTo,
    Metric,
    PolicyError,
)
from retraining.gate.decision import Decision, Verdict, decision_on, policy_hash, undecidable
from retraining.gate.judging import judge
from retraining.gate.policy import checked, chosen, metrics_of
from retraining.gate.report import UndecidableError, canonical, value_at
from retraining.gate.words import joined, one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from retraining.gate.data_report import DataReport
    from retraining.gate.judging import Judgement

BASELINE, REFERENCE = "baseline", "reference"
# What the first name of a metric's path says it is measured from.
_SECTIONS = {"distance": BASELINE, "drift": REFERENCE}
TONIGHT = "data"

# Measured over sample nights: see docs/gates.md.
DEFAULT_DATA_POLICY: tuple[Condition, ...] = (
    LessThan(Metric("data.duplicate_share"), 0.5),
    GreaterThanOrEqualTo(Metric("distance.row_ratio"), 0.8),
    LessThanOrEqualTo(Metric("distance.duplicate_share_increase"), 0.1),
    LessThanOrEqualTo(Metric("distance.greatest_null_share_increase.value"), 0.1),
    LessThanOrEqualTo(Metric("distance.greatest_median_change.value"), 1),
    LessThanOrEqualTo(Metric("distance.greatest_stability_index.value"), 0.25),
    Equals(Metric("distance.columns_vanished.value"), 0),
)


@dataclass(frozen=True, slots=True)
class Other:
    """Another night's data, with which tonight's are compared.

    Attributes:
        report: The content of its data report; None if there is none.
        why_none: Why there is none, in words.
    """

    report: bytes | None
    why_none: str = ""


@dataclass(frozen=True, slots=True)
class DataDecision:
    """A decision about a night's data.

    Attributes:
        decision: The verdict, and how it came about.
        comparison: What was judged: ``data``, and ``distance`` and ``drift`` where there was
            something to compare with.
        missing: Why there was no ``baseline`` or ``reference``; conditions on it were not judged.
    """

    decision: Decision
    comparison: Mapping[str, object]
    missing: Mapping[str, str]


def checked_data_policy(policy: object) -> tuple[Condition, ...]:
    """Return a policy on data as a tuple of its conditions.

    Raises:
        PolicyError: It is none, or names a metric that no comparison of data has.
    """
    try:
        conditions = checked(policy)
    except PolicyError as error:
        raise PolicyError(f"data_{error}") from error
    known = (TONIGHT, *_SECTIONS)
    for path in metrics_of(conditions):
        if _first_name(path) not in known:
            raise PolicyError(
                f"data_policy: {path!r} is no metric of data; these begin with {', '.join(known)}"
            )
    return conditions


def decide_data(
    tonight: bytes,
    policy: Iterable[Condition],
    *,
    baseline: Other,
    reference: Other,
    parameters: Mapping[str, object],
) -> DataDecision:
    """Judge a night's data.

    Conditions on a distance from nothing are left out, and the explanation says so: the first night
    of a pipeline has nothing to be compared with. The others are judged all the same.

    Args:
        tonight: The content of tonight's data report.
        policy: The conditions, all of which must hold.
        baseline: The data that ``distance`` is measured from.
        reference: The data that ``drift`` is measured from.
        parameters: The values of the policy's ``Parameter`` operands.

    Raises:
        PolicyError: The policy is empty or names no metric.
    """
    try:
        report = data_report.read(tonight)
    except UndecidableError as error:
        return undecidable_data(str(error), policy, parameters)
    comparison: dict[str, object] = {TONIGHT: distance.of_tonight(report)}
    missing: dict[str, str] = {}
    for section, other in (("distance", baseline), ("drift", reference)):
        try:
            comparison[section] = distance.between(_read(other), report)
        except UndecidableError as error:
            missing[_SECTIONS[section]] = one_line(str(error), 300)
    return DataDecision(
        decide_on(comparison, policy, missing=missing, parameters=parameters), comparison, missing
    )


def undecidable_data(
    reason: str, policy: Iterable[Condition], parameters: Mapping[str, object]
) -> DataDecision:
    """Return the decision for a report that could not be read."""
    return DataDecision(undecidable(reason, policy, parameters), {}, {})


def decide_on(
    comparison: Mapping[str, object],
    policy: Iterable[Condition],
    *,
    missing: Mapping[str, str],
    parameters: Mapping[str, object],
) -> Decision:
    """Judge a comparison of data, as a decision's record keeps it, too.

    Args:
        comparison: As of ``DataDecision``.
        policy: The conditions, all of which must hold.
        missing: As of ``DataDecision``.
        parameters: The values of the policy's ``Parameter`` operands.

    Raises:
        PolicyError: The policy is empty or names no metric.
    """
    conditions = checked(tuple(policy))
    policy_sha256 = policy_hash(conditions, parameters)
    try:
        resolved = chosen(conditions, parameters)
        left_out = [item for item in resolved if _needed([item]) & missing.keys()]
        judgements = tuple(
            _with_column(judge(item, comparison, parameters), comparison)
            for item in resolved
            if item not in left_out
        )
    except UndecidableError as error:
        return undecidable(str(error), conditions, parameters)
    decision = (
        decision_on(judgements, policy_sha256)
        if judgements
        else Decision(Verdict.PASS, "", (), policy_sha256)
    )
    stamps = [f"no {role}: rubber stamp ({missing[role]})" for role in sorted(_needed(left_out))]
    told = [decision.explanation] if judgements else []
    # Why it is rejected comes first.
    said = [*told, *stamps] if decision.verdict is Verdict.REJECT else [*stamps, *told]
    return replace(decision, explanation=joined(said))


def _with_column(judgement: Judgement, comparison: Mapping[str, object]) -> Judgement:
    """Name the column whose distance is the greatest, where that was judged."""
    columns = []
    for path in judgement.operands:
        try:
            leaf = value_at(comparison, canonical(path))
        except UndecidableError:
            continue  # a parameter
        if isinstance(leaf, dict) and leaf.get("column"):
            columns.append(one_line(str(leaf["column"]), 100))
    if not columns:
        return judgement
    words = f"{judgement.explanation} (column {', '.join(columns)})"
    return replace(judgement, explanation=one_line(words))


def _needed(conditions: Iterable[Condition]) -> set[str]:
    """Return of which of ``BASELINE`` and ``REFERENCE`` conditions ask the distance."""
    sections = map(_first_name, metrics_of(conditions))
    return {_SECTIONS[section] for section in sections if section in _SECTIONS}


def _first_name(path: str) -> str:
    return re.split(r"[.\[]", canonical(path), maxsplit=1)[0]


def _read(other: Other) -> DataReport:
    if other.report is None:
        raise UndecidableError(other.why_none)
    return data_report.read(other.report)
