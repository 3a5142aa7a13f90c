"""The one metric that a pipeline's models are shown and compared by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from retraining.gate.bounds import Bound, bounds, first_bound
from retraining.gate.report import canonical, last_name

HIGHER, LOWER = "higher", "lower"


@dataclass(frozen=True, slots=True)
class Headline:
    """A metric, and which way is better.

    Attributes:
        metric: Its path in the evaluation report.
        better: ``higher`` or ``lower``.
    """

    metric: str
    better: str

    @property
    def name(self) -> str:
        """The last part of the path."""
        return last_name(self.metric)

    def is_better(self, value: float, *, than: float) -> bool:
        """Say whether one value of the metric is better than another."""
        return value > than if self.better == HIGHER else value < than


def headline_of(record: Mapping[str, object]) -> Headline | None:
    """Return the headline of a decision record, which may hold anything; None if it tells none.

    A record from before pipelines declared one is shown by what its gate compared first.
    """
    pipeline = record.get("pipeline")
    told = pipeline.get("headline") if isinstance(pipeline, Mapping) else None
    if isinstance(told, Mapping):
        metric, better = told.get("metric"), told.get("better")
        if isinstance(metric, str) and better in (HIGHER, LOWER):
            return Headline(canonical(metric), str(better))
    bound = first_bound(_wire(record))
    if bound is None:
        return None
    better = LOWER if bound.sign in {"<", "≤"} else HIGHER
    return Headline(bound.metric, better)


def limit_of(record: Mapping[str, object], headline: Headline) -> Bound | None:
    """Return what a decision record's gate asks of the headline; None if it asks nothing of it."""
    found = [*bounds(_wire(record)), *filter(None, [first_bound(_wire(record))])]
    return next((bound for bound in found if bound.metric == headline.metric), None)


def _wire(record: Mapping[str, object]) -> Iterable[object]:
    conditions = record.get("conditions")
    items = conditions if isinstance(conditions, list) else []
    return [item.get("condition") for item in items if isinstance(item, Mapping)]
