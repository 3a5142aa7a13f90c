"""Past runs as a CSV file: one line a run, with all that their records and reports say."""

from __future__ import annotations

import csv
import io
from itertools import chain, count
from typing import TYPE_CHECKING

from retraining.runs.csv_cells import cell
from retraining.runs.outcomes import bound_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from retraining.past_runs.columns import Columns
    from retraining.past_runs.reading import PastRun, Problem
    from retraining.past_runs.what_if import Rejudged
    from retraining.runs.outcomes import Outcome

_FIRST = ("snapshot", "run_id", "run_type", "decided", "verdict")
_LAST = (
    "asked", "champion_outcome", "champion_version", "champion_difference",
    "champion_difference_low", "champion_difference_high",
    "version", "model_package_arn", "standing",
    "what_if_verdict", "explanation", "fault", "decision_uri",
)  # fmt: skip
# The splits of a run whose scripts are like this project's; others follow.
_ROWS = ("snapshot", "train", "validation", "test")
# In place of a verdict where there is a record that tells none.
UNREADABLE = "unreadable"
_SPREAD = "_standard_deviation"


def table(
    runs: Sequence[PastRun],
    columns: Columns,
    *,
    standing: Mapping[str, str],
    others: Mapping[str, Rejudged],
    problems: Sequence[Problem] = (),
) -> str:
    """Return runs as CSV with a header, and after them the records that could not be read.

    A metric's column is called by its short name, or by its path where that would be the name of
    another column.

    Args:
        runs: The runs.
        columns: Their metrics.
        standing: What has become of versions, by ARN.
        others: What another policy says, by the run's URI.
        problems: What did not fit.
    """
    counts = list(
        dict.fromkeys([*_ROWS, *(name for run in runs for name in run.outcome.metrics.rows)])
    )
    counted = [f"rows_{name}" for name in counts]
    measured = _headers(columns, taken={*_FIRST, *counted, *_LAST})
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    pairs = (name for header in measured for name in (header, f"{header}{_SPREAD}"))
    heads = (*_FIRST, *pairs, *counted, *_LAST)
    writer.writerow(map(cell, heads))
    for run in runs:
        outcome, other = run.outcome, others.get(run.uri)
        cells = (
            run.snapshot, run.run_id, run.run_type, run.decided.isoformat(), outcome.verdict.value,
            *(value for path in columns.every for value in _metric(run, path)),
            *(outcome.metrics.rows.get(name) for name in counts),
            " and ".join(bound_text(bound, columns.called) for bound in outcome.bounds),
            *_beside(outcome),
            outcome.version, outcome.arn, standing.get(outcome.arn or ""),
            other and other.decision.verdict.value, outcome.explanation,
            outcome.unreadable, run.uri,
        )  # fmt: skip
        writer.writerow(map(cell, cells))
    for problem, listed in ((problem, problem.listed) for problem in problems):
        if listed is None:
            # The run has a line, which says it.
            continue
        told = {
            "snapshot": listed.snapshot, "run_id": listed.run,
            "decided": listed.decided.isoformat(), "verdict": UNREADABLE,
            "fault": problem.reason, "decision_uri": listed.uri,
        }  # fmt: skip
        writer.writerow(cell(told.get(head)) for head in heads)
    return lines.getvalue()


def _headers(columns: Columns, *, taken: set[str]) -> list[str]:
    """Return the name of each metric's column; neither it nor its spread's is another's."""
    headers = []
    for path in columns.every:
        names = chain([columns.called[path]], (f"{'metric ' * n}{path}" for n in count()))
        header = next(name for name in names if not {name, f"{name}{_SPREAD}"} & taken)
        taken |= {header, f"{header}{_SPREAD}"}
        headers.append(header)
    return headers


def _beside(outcome: Outcome) -> tuple[object, ...]:
    """Return what is told of the champion, and the headline's difference with its interval."""
    told, headline = outcome.comparison, outcome.headline
    if told is None:
        return (None,) * 5
    found = told.differences.get(headline.metric) if headline else None
    numbers = (found.value, found.low, found.high) if found else (None,) * 3
    return told.outcome, told.version, *numbers


def _metric(run: PastRun, path: str) -> tuple[object, object]:
    metrics = run.outcome.metrics
    measure = metrics.measures.get(path)
    if measure is None:
        return metrics.unusable.get(path), None
    return measure.value, measure.standard_deviation
