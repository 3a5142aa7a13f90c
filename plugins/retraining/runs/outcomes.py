"""What came of a run: its decision record and its evaluation report, read together.

Both are files that may hold anything, and records of every age stay readable: what cannot be used
is left out, and said where it matters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from retraining.gate.bounds import Bound, bounds
from retraining.gate.decision import Verdict
from retraining.gate.headline import Headline, headline_of, limit_of
from retraining.gate.report import Metrics, UndecidableError, finite, last_name, metrics_in, parse


class BrokenRecordError(ValueError):
    """A decision record is not what a gate writes; the message says why."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A run that was judged.

    Attributes:
        verdict: What the gate said.
        explanation: Why.
        headline: The metric to show; None if neither declaration nor gate name one.
        limit: What the gate asks of the headline; None if nothing.
        bounds: What it asks of single metrics.
        metrics: Of the report; without any if there was none.
        plots: What the pipeline draws of the predictions; None in records from before it said so.
        run: What identifies the run: ``run_id``, ``snapshot``, hashes and so on.
        version: The version in the registry; None if nothing was registered.
        arn: The version's ARN.
    """

    verdict: Verdict
    explanation: str
    headline: Headline | None
    limit: Bound | None
    bounds: tuple[Bound, ...]
    metrics: Metrics
    plots: tuple[str, ...] | None
    run: Mapping[str, str] = field(default_factory=dict)
    version: int | None = None
    arn: str | None = None


def outcome_of(record: object, report: bytes | None) -> Outcome:
    """Read a decision record together with the report that was judged.

    Args:
        record: The parsed ``decision.json``.
        report: The content of ``evaluation.json``; None if there is none.

    Raises:
        BrokenRecordError: The record tells no verdict.
    """
    if not isinstance(record, Mapping):
        raise BrokenRecordError("it is not a JSON object")
    try:
        verdict = Verdict(str(record.get("verdict")))
    except ValueError:
        raise BrokenRecordError(f"its verdict is {record.get('verdict')!r}") from None
    headline = headline_of(record)
    conditions = record.get("conditions")
    wire = [
        item.get("condition")
        for item in (conditions if isinstance(conditions, list) else [])
        if isinstance(item, Mapping)
    ]
    asked = bounds(wire)
    named = [*([headline.metric] if headline else []), *(bound.metric for bound in asked)]
    number, arn = _registered(record.get("registered"))
    return Outcome(
        verdict=verdict,
        explanation=str(record.get("explanation") or ""),
        headline=headline,
        limit=limit_of(record, headline) if headline else None,
        bounds=asked,
        metrics=_metrics(report, named),
        plots=_plots(record.get("pipeline")),
        run=_texts(record.get("run")),
        version=number,
        arn=arn,
    )


def bound_text(bound: Bound, called: Mapping[str, str] | None = None) -> str:
    """Say a bound: ``error ≤ 6``.

    Args:
        bound: The bound.
        called: What to call metrics; one that is not in it is called by its last name.
    """
    name = (called or {}).get(bound.metric) or last_name(bound.metric)
    return f"{name} {bound.sign} {number_text(bound.value)}"


def number_text(value: float) -> str:
    """Say a number as a person would have written it: ``6``, ``0.6``, ``0.6000001``."""
    return f"{value:.15g}"


def _metrics(report: bytes | None, named: list[str]) -> Metrics:
    try:
        return Metrics() if report is None else metrics_in(parse(report), named=named)
    except UndecidableError:
        # The gate has said so in its explanation.
        return Metrics()


def _registered(told: object) -> tuple[int | None, str | None]:
    if not isinstance(told, Mapping):
        return None, None
    number, arn = finite(told.get("version")), told.get("model_package_arn")
    return (
        int(number) if number is not None else None,
        arn if isinstance(arn, str) else None,
    )


def _plots(pipeline: object) -> tuple[str, ...] | None:
    plots = pipeline.get("plots") if isinstance(pipeline, Mapping) else None
    return tuple(map(str, plots)) if isinstance(plots, list) else None


def _texts(told: object) -> dict[str, str]:
    pairs = told.items() if isinstance(told, Mapping) else ()
    return {str(name): str(value) for name, value in pairs if isinstance(value, str | int | float)}
