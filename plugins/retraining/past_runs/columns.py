"""Which metrics a report on past runs shows, in which order, and what it calls them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from retraining.gate.report import names

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from retraining.gate.bounds import Bound
    from retraining.gate.headline import Headline
    from retraining.past_runs.reading import PastRun

# So many metrics besides the headline fit on a page beside what else is told of a run.
_FEW = 3


@dataclass(frozen=True, slots=True)
class Columns:
    """The metrics of some runs.

    Attributes:
        headline: What the run that was decided last is shown by; None if no run tells.
        every: The paths of all metrics, the headline first.
        few: Those of them that a page has room for: the headline, what gates ask for, and what most
            runs have.
        called: The name of each metric, short where it can be.
    """

    headline: Headline | None
    every: tuple[str, ...]
    few: tuple[str, ...]
    called: Mapping[str, str]


def columns_of(runs: Sequence[PastRun], asked: Iterable[Bound] = ()) -> Columns:
    """Choose the metrics of some runs.

    Args:
        runs: The runs.
        asked: What is asked of metrics besides what their gates did, as by a what-if.
    """
    headline = headline_of_all(runs)
    first = headline.metric if headline else ""
    section = first.rpartition(".")[0]
    bounded = {bound.metric for run in runs for bound in run.outcome.bounds}
    bounded |= {bound.metric for bound in asked}
    found: dict[str, int] = {first: 0} if headline else {}
    measured: set[str] = set()
    judged = 0
    for run in runs:
        metrics = run.outcome.metrics
        judged += bool(metrics.measures)
        measured |= metrics.measures.keys()
        for path in (*metrics.measures, *metrics.unusable):
            found[path] = found.get(path, 0) + 1

    def most_have(path: str) -> bool:
        return 2 * found[path] > judged

    every = sorted(
        found,
        key=lambda path: (
            path != first,
            path not in bounded,
            not most_have(path),
            path.rpartition(".")[0] != section,
        ),
    )
    others = [
        path
        for path in every
        if path != first and path in measured and (path in bounded or most_have(path))
    ]
    few = (*filter(None, [first]), *others[:_FEW])
    return Columns(headline, tuple(every), few, names([*every, *bounded]))


def headline_of_all(runs: Iterable[PastRun]) -> Headline | None:
    """Return the headline of the run that was decided last; None if no run tells one."""
    telling = [run for run in runs if run.outcome.headline]
    last = max(telling, key=lambda run: (run.decided, run.snapshot), default=None)
    return last.outcome.headline if last else None
