"""Past runs in a few sentences, for a page and for a terminal."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise
from statistics import median_low
from typing import TYPE_CHECKING

from retraining.gate.replay import totals
from retraining.runs.outcomes import bound_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from retraining.past_runs.reading import History, PastRun
    from retraining.past_runs.standing import Standing
    from retraining.past_runs.what_if import Rejudged

# So many items of a list are told, the rest is counted.
_TOLD = 12


def sentences(
    history: History,
    *,
    standing: Standing,
    called: Mapping[str, str],
    rejudged: Sequence[Rejudged] = (),
) -> tuple[str, ...]:
    """Tell what a report is about.

    Args:
        history: The runs.
        standing: What has become of their versions.
        called: What to call metrics.
        rejudged: What another policy says of the same runs.
    """
    said = [_verdicts(history.runs), _gaps(history)]
    if history.problems:
        unused = _counted(len(history.problems), "record")
        said.append(f"{unused} could not be used; the end of the page says why.")
    if partly := sum(bool(run.outcome.faults) for run in history.runs):
        said.append(f"Of {_counted(partly, 'run')} a part could not be read; its row says which.")
    said += standing.sentences
    if rejudged:
        said += [_what_if(rejudged, called), _differing(rejudged)]
    return tuple(filter(None, said))


def gaps(runs: Iterable[PastRun]) -> list[tuple[str, str]]:
    """Return the first and last day of each gap between the days of the runs' snapshots."""
    days = sorted({date.fromisoformat(run.snapshot) for run in runs})
    one = timedelta(days=1)
    return [
        ((before + one).isoformat(), (after - one).isoformat())
        for before, after in pairwise(days)
        if after - before > one
    ]


def nights_without(runs: Iterable[PastRun]) -> list[tuple[str, str]]:
    """Return the gaps of a history that has a snapshot on most days; of another, none is one."""
    known = [*runs]
    days = sorted({date.fromisoformat(run.snapshot) for run in known})
    steps = [(after - before).days for before, after in pairwise(days)]
    return gaps(known) if steps and median_low(steps) == 1 else []


def asked(rejudged: Iterable[Rejudged], called: Mapping[str, str]) -> str:
    """Tell what another policy asks for: ``error ≤ 5.5``."""
    lines = dict.fromkeys(bound for item in rejudged for bound in item.bounds)
    return " and ".join(bound_text(bound, called) for bound in lines) or "another policy"


def _verdicts(runs: Sequence[PastRun]) -> str:
    if not runs:
        return "There is no decision record."
    snapshots = sorted({run.snapshot for run in runs})
    registered = _counted(len({run.outcome.arn for run in runs if run.outcome.arn}), "version")
    span = " to ".join(dict.fromkeys((snapshots[0], snapshots[-1])))
    return (
        f"{_counted(len(runs), 'run')} of {_counted(len(snapshots), 'snapshot')}, {span}: "
        f"{totals(run.outcome.verdict for run in runs)}. {registered} registered."
    )


def _gaps(history: History) -> str:
    found = gaps(history.runs)
    if not found:
        return ""
    days = sum(
        (date.fromisoformat(last) - date.fromisoformat(first)).days + 1 for first, last in found
    )
    spans = [" to ".join(dict.fromkeys(gap)) for gap in found]
    why = ["there was no snapshot", "no run", "or none that came to the gate"]
    if history.problems:
        why[-1:] = ["none that came to the gate", "or its record could not be used"]
    return f"No decision for {_counted(days, 'day')} in between: {_told(spans)}; {', '.join(why)}."


def _what_if(rejudged: Sequence[Rejudged], called: Mapping[str, str]) -> str:
    differing = sum(item.differs for item in rejudged)
    return (
        f"What if the gate asked for {asked(rejudged, called)}: "
        f"{totals(item.decision.verdict for item in rejudged)}; "
        f"{_counted(differing, 'verdict')} would differ. Nothing was run or registered for this."
    )


def _differing(rejudged: Sequence[Rejudged]) -> str:
    changes = dict.fromkeys(
        f"{item.run.snapshot} ({item.run.outcome.verdict} → {item.decision.verdict})"
        for item in rejudged
        if item.differs
    )
    return f"Another verdict: {_told([*changes])}." if changes else ""


def _told(items: Sequence[str]) -> str:
    more = len(items) - _TOLD
    return ", ".join(items[:_TOLD]) + (f", and {more} more" if more > 0 else "")


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")
