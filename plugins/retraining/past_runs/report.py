"""One HTML page and one CSV file about past runs, made from their decision records.

The page needs nothing but itself: no script, no other file, no host.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retraining.gate.decision import Verdict
from retraining.past_runs.plots import metric_plot, rows_plot
from retraining.past_runs.reading import METRICS
from retraining.past_runs.standing import Standing
from retraining.past_runs.summary import METRIC_NAMES, asked, bound_text, sentences

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from retraining.gate.bounds import Bound
    from retraining.past_runs.reading import History, PastRun
    from retraining.past_runs.what_if import Rejudged

PAGE, TABLE = "history.html", "history.csv"

_SIGNS = {Verdict.PASS: "●", Verdict.REJECT: "✖", Verdict.UNDECIDABLE: "◆"}
_CAPTION = (
    "Vertical lines are 95 % intervals, from the bootstrap standard deviation. An arrow marks a "
    "value outside of the plot; a diamond on the axis has none."
)
_PLOTTED = {"r2_score": "r2 by snapshot", "rmse": "rmse by snapshot"}


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
    said = sentences(history, standing=standing, rejudged=rejudged)
    page = _page(history, standing, others, title=f"{pipeline}: past runs", said=said)
    return Report(page, _table(history.runs, standing.words, others), said)


def write_report(folder: Path, report: Report) -> tuple[Path, Path]:
    """Write a report's page and table into a folder, which is made; return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    page, table = folder / PAGE, folder / TABLE
    page.write_text(report.page, encoding="utf-8")
    table.write_text(report.table, encoding="utf-8")
    return page, table


def _page(
    history: History,
    standing: Standing,
    others: Mapping[str, Rejudged],
    *,
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
        what_if_name=f"If {asked(others.values())}",
        with_what_if=bool(others),
        plots=_plots(history.runs, standing, others.values()),
        metric_names=[*METRIC_NAMES.values()],
        rows=[_row(run, standing.words, others.get(run.uri)) for run in reversed(history.runs)],
        problems=history.problems,
    )


def _plots(
    runs: Sequence[PastRun], standing: Standing, rejudged: Iterable[Rejudged]
) -> list[dict[str, Any]]:
    from markupsafe import Markup  # noqa: PLC0415 - comes with jinja2

    if not runs:
        return []
    gate = _bounds_of([run.bounds for run in runs])
    what_if = _bounds_of([item.bounds for item in rejudged])
    plots = []
    for metric, title in _PLOTTED.items():
        path = f"{METRICS}.{metric}"
        lines = [
            (f"{word}{bound.sign} {bound.value:g}", bound)
            for word, some in (("", gate), ("if ", what_if))
            for bound in some
            if bound.metric == path
        ]
        if not any(metric in run.metrics for run in runs):
            continue
        # Most are approved or pending: only the one that serves has to be found among them.
        svg = metric_plot(runs, metric, bounds=lines, deployed=standing.deployed)
        asked_for = " and ".join(name for name, _ in lines)
        caption = f"{_CAPTION} Dashed: what the gate asks for ({asked_for})." if lines else _CAPTION
        # The SVG is made here, its texts escaped by the one who wrote it.
        plots.append({"title": title, "svg": Markup(svg), "caption": caption})  # noqa: S704
    plots.append({
        "title": "Rows by snapshot",
        "svg": Markup(rows_plot(runs)),  # noqa: S704 - as above
        "caption": "Rows of the snapshot, as its last run read them.",
    })  # fmt: skip
    return plots


def _bounds_of(groups: Iterable[Sequence[Bound]]) -> list[Bound]:
    return list(dict.fromkeys(bound for group in groups for bound in group))


def _row(run: PastRun, standing: Mapping[str, str], other: Rejudged | None) -> dict[str, Any]:
    return {
        "snapshot": run.snapshot,
        "verdict": _verdict(run.verdict),
        "what_if": _verdict(other.decision.verdict) if other else {"name": "–", "sign": ""},
        "differs": bool(other and other.differs),
        "metrics": [_shown(run, name) for name in METRIC_NAMES],
        "rows": f"{run.rows['snapshot']:,}" if "snapshot" in run.rows else "–",
        "version": run.version or "–",
        "standing": standing.get(run.arn or "", ""),
        "run_type": run.run_type or "",
        "run_id": run.run_id,
        "why": run.explanation,
    }


def _verdict(verdict: Verdict) -> dict[str, str]:
    return {"name": verdict.value, "sign": _SIGNS[verdict]}


def _shown(run: PastRun, metric: str) -> tuple[str, str]:
    measure = run.metrics.get(metric)
    if measure is None:
        return "–", ""
    spread = measure.standard_deviation
    return f"{measure.value:.4f}", "" if spread is None else f"{spread:.4f}"


def _table(
    runs: Sequence[PastRun], standing: Mapping[str, str], others: Mapping[str, Rejudged]
) -> str:
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow([
        "snapshot", "run_id", "run_type", "decided", "verdict",
        *(f"{name}{end}" for name in METRIC_NAMES.values() for end in ("", "_standard_deviation")),
        "rows_snapshot", "rows_train", "rows_validation", "rows_test",
        "asked", "version", "model_package_arn", "standing",
        "what_if_verdict", "explanation", "decision_uri",
    ])  # fmt: skip
    for run in runs:
        measures = [run.metrics.get(name) for name in METRIC_NAMES]
        other = others.get(run.uri)
        writer.writerow([
            run.snapshot, _cell(run.run_id), _cell(run.run_type), run.decided.isoformat(),
            run.verdict.value,
            *(
                value
                for measure in measures
                for value in (
                    (measure.value, measure.standard_deviation) if measure else (None, None)
                )
            ),
            *(run.rows.get(name) for name in ("snapshot", "train", "validation", "test")),
            _cell(" and ".join(bound_text(bound) for bound in run.bounds)),
            run.version, run.arn, _cell(standing.get(run.arn or "")),
            other and other.decision.verdict.value, _cell(run.explanation), run.uri,
        ])  # fmt: skip
    return lines.getvalue()


def _cell(text: str | None) -> str | None:
    # A spreadsheet takes such a text for a formula, and anyone may name a run.
    return f"'{text}" if text and text[0] in "=+-@\t\r" else text
