"""One HTML page and one CSV file about past runs, made from their decision records.

The page needs nothing but itself: no script, no other file, no host.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retraining import naming
from retraining.gate import Verdict
from retraining.history import METRICS
from retraining.history_plots import metric_plot, rows_plot

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mypy_boto3_s3 import S3Client

    from retraining.history import Bound, History, PastRun
    from retraining.history_what_if import Rejudged

PAGE, TABLE = "history.html", "history.csv"

_METRIC_NAMES = {"r2_score": "r2", "rmse": "rmse", "mae": "mae"}
_SIGNS = {Verdict.PASS: "●", Verdict.REJECT: "✖", Verdict.UNDECIDABLE: "◆"}
_WORDS = {
    Verdict.PASS: "passed",
    Verdict.REJECT: "rejected",
    Verdict.UNDECIDABLE: "could not be judged",
}
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
    """

    page: str
    table: str


def make_report(
    history: History,
    *,
    pipeline: str,
    standing: Mapping[str, str] | None = None,
    rejudged: Sequence[Rejudged] = (),
) -> Report:
    """Make the report of past runs; equal histories make equal reports.

    Args:
        history: The runs.
        pipeline: For the title.
        standing: A word for versions that have a role, by ARN: ``deployed``, ``approved``.
        rejudged: What another policy says of the same runs, to be shown beside.
    """
    words = standing or {}
    others = {item.run.uri: item for item in rejudged}
    return Report(_page(history, pipeline, words, others), _table(history.runs, words, others))


def write_report(folder: Path, report: Report) -> tuple[Path, Path]:
    """Write a report's page and table into a folder, which is made; return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    page, table = folder / PAGE, folder / TABLE
    page.write_text(report.page, encoding="utf-8")
    table.write_text(report.table, encoding="utf-8")
    return page, table


def upload_report(s3: S3Client, folder_uri: str, report: Report) -> tuple[str, str]:
    """Put a report's page and table into a folder on S3; return their URIs."""
    bucket, prefix = naming.split_s3_uri(folder_uri.rstrip("/") + "/")
    for name, body, kind in ((PAGE, report.page, "html"), (TABLE, report.table, "csv")):
        s3.put_object(
            Bucket=bucket,
            Key=prefix + name,
            Body=body.encode(),
            ContentType=f"text/{kind}; charset=utf-8",
        )
    return f"s3://{bucket}/{prefix}{PAGE}", f"s3://{bucket}/{prefix}{TABLE}"


def _page(
    history: History, pipeline: str, standing: Mapping[str, str], others: Mapping[str, Rejudged]
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
    return environment.get_template("history_report.html").render(
        title=f"{pipeline}: past runs",
        summary=_summary(history),
        what_if_summary=_what_if_summary(others.values()),
        what_if_name=f"If {_asked(others.values())}",
        with_what_if=bool(others),
        plots=_plots(history.runs, standing, others.values()),
        metric_names=[*_METRIC_NAMES.values()],
        rows=[_row(run, standing, others.get(run.uri)) for run in reversed(history.runs)],
        problems=history.problems,
    )


def _summary(history: History) -> str:
    runs = history.runs
    if not runs:
        return "There is no decision record."
    snapshots = sorted({run.snapshot for run in runs})
    counts = Counter(run.verdict for run in runs)
    verdicts = ", ".join(f"{counts[verdict]} {_WORDS[verdict]}" for verdict in Verdict)
    registered = len({run.arn for run in runs if run.arn})
    span = " to ".join(dict.fromkeys((snapshots[0], snapshots[-1])))
    return (
        f"{_counted(len(runs), 'run')} of {_counted(len(snapshots), 'snapshot')}, {span}: "
        f"{verdicts}. {_counted(registered, 'version')} registered."
    )


def _what_if_summary(rejudged: Iterable[Rejudged]) -> str:
    items = list(rejudged)
    if not items:
        return ""
    differing = sum(item.differs for item in items)
    counts = Counter(item.decision.verdict for item in items)
    verdicts = ", ".join(f"{counts[verdict]} {_WORDS[verdict]}" for verdict in Verdict)
    return (
        f"What if the gate asked for {_asked(items)}: {verdicts}; "
        f"{_counted(differing, 'verdict')} would differ. Nothing was run or registered for this."
    )


def _asked(rejudged: Iterable[Rejudged]) -> str:
    lines = _bounds_of([item.bounds for item in rejudged])
    return " and ".join(_bound_text(bound) for bound in lines) or "another policy"


def _plots(
    runs: Sequence[PastRun], standing: Mapping[str, str], rejudged: Iterable[Rejudged]
) -> list[dict[str, Any]]:
    from markupsafe import Markup  # noqa: PLC0415 - comes with jinja2

    if not runs:
        return []
    asked = _bounds_of([run.bounds for run in runs])
    what_if = _bounds_of([item.bounds for item in rejudged])
    plots = []
    for metric, title in _PLOTTED.items():
        path = f"{METRICS}.{metric}"
        lines = [
            (f"{word}{bound.sign} {bound.value:g}", bound)
            for word, some in (("", asked), ("if ", what_if))
            for bound in some
            if bound.metric == path
        ]
        if not any(metric in run.metrics for run in runs):
            continue
        svg = metric_plot(runs, metric, bounds=lines, standing=standing)
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


def _bound_text(bound: Bound) -> str:
    name = bound.metric.removeprefix(f"{METRICS}.")
    return f"{_METRIC_NAMES.get(name, name)} {bound.sign} {bound.value:g}"


def _row(run: PastRun, standing: Mapping[str, str], other: Rejudged | None) -> dict[str, Any]:
    return {
        "snapshot": run.snapshot,
        "verdict": _verdict(run.verdict),
        "what_if": _verdict(other.decision.verdict) if other else {"name": "–", "sign": ""},
        "differs": bool(other and other.differs),
        "metrics": [_shown(run, name) for name in _METRIC_NAMES],
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
        *(f"{name}{end}" for name in _METRIC_NAMES.values() for end in ("", "_standard_deviation")),
        "rows_snapshot", "rows_train", "rows_validation", "rows_test",
        "asked", "version", "model_package_arn", "standing",
        "what_if_verdict", "explanation", "decision_uri",
    ])  # fmt: skip
    for run in runs:
        measures = [run.metrics.get(name) for name in _METRIC_NAMES]
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
            _cell(" and ".join(_bound_text(bound) for bound in run.bounds)),
            run.version, run.arn, _cell(standing.get(run.arn or "")),
            other and other.decision.verdict.value, _cell(run.explanation), run.uri,
        ])  # fmt: skip
    return lines.getvalue()


def _cell(text: str | None) -> str | None:
    # A spreadsheet takes such a text for a formula, and anyone may name a run.
    return f"'{text}" if text and text[0] in "=+-@\t\r" else text


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")
