"""What came of a run: its decision record and its evaluation report, read together.

Both are files that may hold anything, and records of every age stay readable: what cannot be used
is left out, and said in the outcome's faults.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from retraining.gate.bounds import Bound, bounds
from retraining.gate.comparison import Comparison, comparison_in
from retraining.gate.decision import Verdict
from retraining.gate.headline import Headline, headline_of, limit_of
from retraining.gate.report import Metrics, UndecidableError, last_name, metrics_in, parse
from retraining.gate.words import one_line
from retraining.runs.kinds import stopped_by_data
from retraining.runs.record_shape import fitting, report_faults


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
        record: The decision record, without what does not fit its shape.
        faults: What of record and report could not be read, each in a sentence.
        comparison: With the champion; None if the report tells of none.
        is_stopped: Whether it was judged by its data, and nothing was trained.
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
    record: Mapping[str, Any] = field(default_factory=dict)
    faults: tuple[str, ...] = ()
    comparison: Comparison | None = None
    is_stopped: bool = False

    @property
    def unreadable(self) -> str:
        """Say in one line what could not be read; "" if all could."""
        return f"unreadable: {'; '.join(self.faults)}" if self.faults else ""


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
        raise BrokenRecordError(f"its verdict is {record.get('verdict')!r:.200}") from None
    known, faults = fitting(record)
    headline = headline_of(known)
    asked = bounds(item.get("condition") for item in known.get("conditions", ()))
    named = [*([headline.metric] if headline else []), *(bound.metric for bound in asked)]
    metrics, comparison, odd = _read(report, named, is_judged=verdict is not Verdict.UNDECIDABLE)
    pipeline, registered = known.get("pipeline", {}), known.get("registered") or {}
    return Outcome(
        verdict=verdict,
        explanation=known.get("explanation", ""),
        headline=headline,
        limit=limit_of(known, headline) if headline else None,
        bounds=asked,
        metrics=metrics,
        plots=tuple(pipeline["plots"]) if "plots" in pipeline else None,
        run=_texts(known.get("run", {})),
        version=registered.get("version"),
        arn=registered.get("model_package_arn"),
        record=known,
        faults=(*faults, *odd),
        comparison=comparison,
    )


def stopped_outcome(record: object) -> Outcome | None:
    """Read the record of the decision about a run's data; None unless that stopped the run.

    Args:
        record: The parsed ``data/decision.json``.

    Raises:
        BrokenRecordError: The record tells no verdict.
    """
    outcome = outcome_of(record, None)
    if not stopped_by_data(outcome.verdict, outcome.record.get("parameters", {})):
        return None
    # Its bounds are on distances, and none of them on what models are compared by.
    return replace(
        outcome,
        explanation=one_line(f"stopped by its data: {outcome.explanation}"),
        limit=None,
        bounds=(),
        is_stopped=True,
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


def _read(
    report: bytes | None, named: list[str], *, is_judged: bool
) -> tuple[Metrics, Comparison | None, tuple[str, ...]]:
    if report is None:
        return Metrics(), None, ()
    try:
        content = parse(report)
        return metrics_in(content, named=named), comparison_in(content), report_faults(content)
    except (UndecidableError, ValueError, RecursionError) as error:
        # The verdict is read all the same. Of a report that was not judged it says this already.
        return Metrics(), None, (str(error),) if is_judged else ()


def _texts(told: Mapping[str, object]) -> dict[str, str]:
    texts = {name: value for name, value in told.items() if isinstance(value, str | int | float)}
    return {name: str(value) for name, value in texts.items()}
