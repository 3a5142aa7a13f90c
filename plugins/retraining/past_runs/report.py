"""One HTML page and one CSV file about past runs, made from their decision records.

The page needs nothing but itself: no script, no other file, no host.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retraining.gate.decision import Verdict
from retraining.past_runs.columns import columns_of
from retraining.past_runs.plots import metric_plot, rows_plot
from retraining.past_runs.standing import Standing
from retraining.past_runs.summary import asked, nights_without, sentences
from retraining.past_runs.table import table
from retraining.runs.outcomes import number_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from retraining.gate.bounds import Bound
    from retraining.past_runs.columns import Columns
    from retraining.past_runs.reading import History, PastRun
    from retraining.past_runs.what_if import Rejudged

PAGE, TABLE = "history.html", "history.csv"

_SIGNS = {Verdict.PASS: "●", Verdict.REJECT: "✖", Verdict.UNDECIDABLE: "◆"}
_CAPTION = (
    "Vertical lines are 95 % intervals, where the report has a standard deviation. An arrow marks "
    "a value outside of the plot; a mark on the axis has none."
)
_HATCHED = (
    " Hatched: days without a decision, as there was no snapshot, no run, or none that came to the "
    "gate."
)
_SIDES = {"≥": "a lower bound", ">": "a lower bound", "≤": "an upper bound", "<": "an upper bound"}
# Numbers of this size are told with four decimals, others with as many digits as tell them apart.
_SMALL, _LARGE = 1e-3, 1e4
_LONG_NAME = 12


@dataclass(frozen=True, slots=True)
class Report:
    """A report, not yet written anywhere.

    Attributes:
        page: The HTML page.
        table: The CSV file: a header, then one line a run.
        sentences: What the page begins with.
    """

    page: str
    table: str
    sentences: tuple[str, ...]


def make_report(
    history: History,
    *,
    pipeline: str,
    standing: Standing | None = None,
    rejudged: Sequence[Rejudged] = (),
) -> Report:
    """Make the report of past runs; equal histories make equal reports.

    Args:
        history: The runs.
        pipeline: For the title.
        standing: What has become of the versions.
        rejudged: What another policy says of the same runs, to be shown beside.
    """
    standing = standing or Standing()
    others = {item.run.uri: item for item in rejudged}
    columns = columns_of(history.runs, _bounds_of(item.bounds for item in rejudged))
    said = sentences(history, standing=standing, called=columns.called, rejudged=rejudged)
    title = f"{pipeline}: past runs"
    page = _page(history, columns, standing=standing, others=others, title=title, said=said)
    lines = table(
        history.runs,
        columns,
        standing=standing.words,
        others=others,
        problems=history.problems,
    )
    return Report(page, lines, said)


def write_report(folder: Path, report: Report) -> tuple[Path, Path]:
    """Write a report's page and table into a folder, which is made; return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    page, lines = folder / PAGE, folder / TABLE
    page.write_bytes(encoded(report.page))
    lines.write_bytes(encoded(report.table))
    return page, lines


def encoded(text: str) -> bytes:
    """Return a page or a table as UTF-8, whatever halves of letters a record's texts have."""
    return text.encode(errors="replace")


def _page(
    history: History,
    columns: Columns,
    *,
    standing: Standing,
    others: Mapping[str, Rejudged],
    title: str,
    said: Sequence[str],
) -> str:
    # Heavy, and only a report needs it.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html").render(
        title=title,
        sentences=said,
        what_if_name=f"If {asked(others.values(), columns.called)}",
        with_what_if=bool(others),
        plots=_plots(history.runs, columns, standing=standing, rejudged=others.values()),
        metric_names=[_heading(columns.called[path]) for path in columns.few],
        more_metrics=[columns.called[path] for path in columns.every if path not in columns.few],
        table=TABLE,
        with_spread=any(
            measure.standard_deviation is not None
            for run in history.runs
            for path in columns.few
            if (measure := run.outcome.metrics.measures.get(path))
        ),
        rows=[
            _row(run, columns, standing=standing.words, other=others.get(run.uri))
            for run in reversed(history.runs)
        ],
        problems=history.problems,
    )


def _plots(
    runs: Sequence[PastRun],
    columns: Columns,
    *,
    standing: Standing,
    rejudged: Iterable[Rejudged],
) -> list[dict[str, Any]]:
    from markupsafe import Markup  # noqa: PLC0415 - comes with jinja2

    plots = []
    hatched = _HATCHED if nights_without(runs) else ""
    gate = _bounds_of(run.outcome.bounds for run in runs)
    what_if = _bounds_of(item.bounds for item in rejudged)
    for path in _plotted(runs, columns, bounds=[*gate, *what_if]):
        asked_for = [
            (who, word, bound)
            for who, word, some in (("the gate", "", gate), ("the what-if", "if ", what_if))
            for bound in some
            if bound.metric == path
        ]
        lines = [
            (f"{word}{bound.sign} {number_text(bound.value)}", bound)
            for _, word, bound in asked_for
        ]
        # Most are approved or pending: only the one that serves has to be found among them.
        svg = metric_plot(runs, path, bounds=lines, deployed=standing.deployed)
        said = [
            f"{who} asks for {bound.sign} {number_text(bound.value)}, {_SIDES[bound.sign]}"
            for who, _, bound in asked_for
        ]
        plots.append({
            "title": _title(path, columns),
            # The SVG is made here, its texts escaped by the one who wrote it.
            "svg": Markup(svg),  # noqa: S704
            "caption": _CAPTION + (f" Dashed: {'; '.join(said)}." if said else "") + hatched,
        })  # fmt: skip
    if any("snapshot" in run.outcome.metrics.rows for run in runs):
        plots.append({
            "title": "Rows by snapshot",
            "svg": Markup(rows_plot(runs)),  # noqa: S704 - as above
            "caption": f"Rows of the snapshot, as its last run read them.{hatched}",
        })  # fmt: skip
    return plots


def _plotted(runs: Sequence[PastRun], columns: Columns, *, bounds: Sequence[Bound]) -> list[str]:
    """Return the metrics to plot: the headline, what is bounded, and at least one besides."""
    measured = [
        path for path in columns.few if any(path in run.outcome.metrics.measures for run in runs)
    ]
    bounded = {bound.metric for bound in bounds}
    return [path for number, path in enumerate(measured) if number <= 1 or path in bounded]


def _title(path: str, columns: Columns) -> str:
    title = f"{columns.called[path]} by snapshot"
    if columns.headline is None or path != columns.headline.metric:
        return title
    return f"{title}: {columns.headline.better} is better"


def _heading(name: str) -> str:
    """Let a long name be broken into lines between its words."""
    from markupsafe import Markup  # noqa: PLC0415 - comes with jinja2

    parts = re.split(r"(?<=[._])", name) if len(name) > _LONG_NAME else [name]
    return Markup("<wbr>").join(parts)


def _bounds_of(groups: Iterable[Sequence[Bound]]) -> list[Bound]:
    return list(dict.fromkeys(bound for group in groups for bound in group))


def _row(
    run: PastRun, columns: Columns, *, standing: Mapping[str, str], other: Rejudged | None
) -> dict[str, Any]:
    outcome = run.outcome
    rows = outcome.metrics.rows.get("snapshot")
    return {
        "snapshot": run.snapshot,
        "verdict": _verdict(outcome.verdict),
        "what_if": _verdict(other.decision.verdict) if other else {"name": "–", "sign": ""},
        "differs": bool(other and other.differs),
        "metrics": [_shown(run, path) for path in columns.few],
        "rows": "–" if rows is None else f"{rows:,}",
        "version": outcome.version or "–",
        "standing": standing.get(outcome.arn or "", ""),
        "run_type": run.run_type or "",
        "run_id": run.run_id,
        "why": outcome.explanation,
        "fault": outcome.unreadable,
    }


def _verdict(verdict: Verdict) -> dict[str, str]:
    return {"name": verdict.value, "sign": _SIGNS[verdict]}


def _shown(run: PastRun, path: str) -> tuple[str, str]:
    metrics = run.outcome.metrics
    measure = metrics.measures.get(path)
    if measure is None:
        return metrics.unusable.get(path, "–"), ""
    spread = measure.standard_deviation
    return _figure(measure.value), "" if spread is None else _figure(spread)


def _figure(value: float) -> str:
    if value == 0 or _SMALL <= abs(value) < _LARGE:
        return f"{value:.4f}"
    return f"{value:,.0f}" if _LARGE <= abs(value) < _LARGE**3 else f"{value:.4g}"
