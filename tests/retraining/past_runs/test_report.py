from __future__ import annotations

import csv
import io
import os
import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from retraining.gate.bounds import Bound, bounds
from retraining.gate.decision import Verdict, decide
from retraining.gate.headline import HIGHER, Headline
from retraining.gate.report import Measure, Metrics
from retraining.past_runs.plots import metric_plot, rows_plot
from retraining.past_runs.reading import History, PastRun, Problem
from retraining.past_runs.report import make_report, write_report
from retraining.past_runs.standing import Standing
from retraining.past_runs.what_if import at_least, at_most, what_if
from retraining.runs.outcomes import Outcome

# Matplotlib keeps a list of fonts, else in the home folder. It is imported with the first plot.
os.environ["MPLCONFIGDIR"] = str(Path(__file__).resolve().parents[3] / ".local/tests/matplotlib")

EVIL = "<script>alert(1)</script>&\"'"
R2, RMSE, MAE = (f"regression_metrics.{name}" for name in ("r2_score", "rmse", "mae"))
POLICY = at_least(0.6, metric=R2)


def run(day: int, r2: float | None = 0.61, **other: Any) -> PastRun:
    """A run as the gate judges it; no number, no report."""
    body = b"{}" if r2 is None else b'{"regression_metrics": {"r2_score": {"value": %r}}}' % r2
    decision = decide(body, POLICY, parameters={})
    snapshot = (datetime(2026, 11, 1, tzinfo=UTC) + timedelta(days=day)).date().isoformat()
    number = day if decision.verdict is Verdict.PASS else None
    asked = bounds(item.condition for item in decision.judgements)
    of_the_run: dict[str, Any] = {
        "uri": f"s3://b/p/runs/{snapshot}/r/evaluation/decision.json",
        "snapshot": snapshot,
        "run_id": f"backfill__{snapshot}",
        "run_type": "backfill",
        "decided": datetime(2026, 12, 1, tzinfo=UTC),
        "report": body,
    }
    measures = {R2: Measure(r2 or 0.0, 0.01), RMSE: Measure(0.7, 0.02), MAE: Measure(0.5, None)}
    rows = {"snapshot": 20_000 + day, "train": 16_000, "test": 4_000}
    of_the_outcome: dict[str, Any] = {
        "verdict": decision.verdict,
        "explanation": decision.explanation,
        "headline": None if r2 is None else Headline(R2, HIGHER),
        "limit": next(iter(asked), None),
        "bounds": asked,
        "metrics": Metrics() if r2 is None else Metrics(measures, {}, rows),
        "plots": None,
        "version": number,
        "arn": f"arn:aws:sagemaker:us-east-1:1:model-package/g/{number}" if number else None,
    }
    return PastRun(
        **of_the_run | {name: other[name] for name in other.keys() & of_the_run},
        outcome=Outcome(
            **of_the_outcome | {name: other[name] for name in other.keys() - of_the_run.keys()}
        ),
    )


def standing(words: dict[Any, str], *sentences: str) -> Standing:
    """Of versions the first of which serves."""
    return Standing(words, next(iter(words)), sentences)


RUNS = tuple(run(day, r2) for day, r2 in enumerate((0.61, 0.59, None, 0.6, 0.05, 0.63), start=1))
HISTORY = History(RUNS, (Problem("s3://b/broken", "it is no decision record"),))


class Cells(HTMLParser):
    """The rows of the page's table, as texts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self._inside = False
        self.feed(page)

    def handle_starttag(self, tag: str, _attributes: Any) -> None:
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"}:
            self.rows[-1].append("")
            self._inside = True

    def handle_endtag(self, tag: str) -> None:
        if tag in {"td", "th"}:
            self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.rows[-1][-1] = f"{self.rows[-1][-1]} {data}".strip()


def test_the_page_has_every_run_the_latest_first() -> None:
    page = make_report(
        HISTORY, pipeline="p", standing=standing({RUNS[0].outcome.arn: "deployed"})
    ).page
    header, *rows = Cells(page).rows
    assert header == [
        "Snapshot", "Verdict", "r2_score", "rmse", "mae", "Rows", "Version", "Run", "Why",
    ]  # fmt: skip
    assert [row[0] for row in rows] == [item.snapshot for item in reversed(RUNS)]
    assert [row[1].split()[-1] for row in rows] == [
        item.outcome.verdict.value for item in reversed(RUNS)
    ]
    assert rows[-1][2:7] == [
        "0.6100 ± 0.0100", "0.7000 ± 0.0200", "0.5000", "20,001", "1 deployed",
    ]  # fmt: skip
    assert rows[-1][-1] == RUNS[0].outcome.explanation
    assert "6 runs of 6 snapshots, 2026-11-02 to 2026-11-07: 3 passed, 2 rejected" in page
    assert "s3://b/broken" in page


def test_verdicts_are_told_apart_without_colours() -> None:
    page = make_report(HISTORY, pipeline="p").page
    signs = {row[1].split()[0]: row[1].split()[1] for row in Cells(page).rows[1:]}
    assert len(signs) == 3
    svg = ET.fromstring(metric_plot(RUNS, R2))
    shapes = {
        "".join(letter for letter in path.get("d", "") if letter.isalpha())
        for path in svg.iter("{http://www.w3.org/2000/svg}path")
        if "var(--surface)" in path.get("style", "")
    }
    assert len(shapes) == 3


def test_the_page_needs_no_host_and_no_script() -> None:
    page = make_report(
        HISTORY, pipeline="p", rejudged=what_if(RUNS, at_least(0.62, metric=R2))
    ).page
    names = {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert set(re.findall(r"\w+://[^\s\"'<)]+", page)) - names == {
        f"s3://b/{place}" for place in ("broken",)
    }
    assert "<script" not in page
    assert "default-src 'none'" in page
    ids = re.findall(r"\sid=\"([^\"]+)\"", page)
    assert len(ids) == len(set(ids))
    used = set(re.findall(r"url\(#([^)]+)\)|href=\"#([^\"]+)\"", page))
    assert {first or second for first, second in used} <= set(ids)


def test_nothing_that_a_record_says_becomes_markup() -> None:
    evil = run(1, run_id=EVIL, run_type=EVIL, explanation=EVIL)
    history = History((evil,), (Problem(EVIL, EVIL),))
    words = standing({evil.outcome.arn: f"{EVIL} $x$"}, EVIL)
    page = make_report(history, pipeline=EVIL, standing=words).page
    assert "<script" not in page
    assert page.count("&lt;script&gt;") >= 8


def test_a_what_if_stands_beside_the_verdict() -> None:
    page = make_report(
        HISTORY, pipeline="p", rejudged=what_if(RUNS, at_least(0.62, metric=R2))
    ).page
    header, *rows = Cells(page).rows
    assert header[2] == "If r2_score ≥ 0.62"
    assert [row[2].split()[1:] for row in reversed(rows)] == [
        ["reject", "differs"],
        ["reject"],
        ["undecidable"],
        ["reject", "differs"],
        ["reject"],
        ["pass"],
    ]
    assert "1 passed, 4 rejected, 1 could not be judged; 2 verdicts would differ" in page


def test_the_page_names_the_verdicts_that_would_differ() -> None:
    said = make_report(
        HISTORY, pipeline="p", rejudged=what_if(RUNS, at_least(0.62, metric=R2))
    ).sentences
    assert said[-1] == ("Another verdict: 2026-11-02 (pass → reject), 2026-11-05 (pass → reject).")
    said = make_report(HISTORY, pipeline="p", rejudged=what_if(RUNS, POLICY)).sentences
    assert "0 verdicts would differ" in said[-1]


def test_an_error_can_be_bounded_from_above() -> None:
    body = b'{"regression_metrics": {"rmse": 0.7}}'
    runs = (run(1, report=body), run(2, report=body.replace(b"0.7", b"0.8")))
    rejudged = what_if(runs, at_most(0.75, metric="regression_metrics.rmse"))
    assert [item.decision.verdict for item in rejudged] == [Verdict.PASS, Verdict.REJECT]
    page = make_report(History(runs, ()), pipeline="p", rejudged=rejudged).page
    assert "What if the gate asked for rmse ≤ 0.75: 1 passed, 1 rejected" in page
    assert "if ≤ 0.75" in page


def test_only_the_version_that_serves_is_circled() -> None:
    words = {run.outcome.arn: "approved" for run in RUNS if run.outcome.arn}
    words[RUNS[0].outcome.arn] = "deployed"
    page = make_report(
        HISTORY, pipeline="p", standing=Standing(words, RUNS[0].outcome.arn, ("Version 1 serves.",))
    ).page
    assert "Version 1 serves." in page
    plots = re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL)
    said = [text for svg in plots for text in texts(svg)]
    assert said.count("deployed") == 2
    assert "approved" not in said
    assert page.count("approved</span>") == 2


def test_the_days_without_a_decision_are_named() -> None:
    runs = [run(day) for day in (1, 2, 4, 5, 9)]
    said = make_report(History(tuple(runs), ()), pipeline="p").sentences
    assert said[1].startswith(
        "No decision for 4 days in between: 2026-11-04, 2026-11-07 to 2026-11-09; there "
    )
    assert len(make_report(History(tuple(runs[:2]), ()), pipeline="p").sentences) == 1


def test_so_many_gaps_are_counted_and_not_all_named() -> None:
    runs = tuple(run(day) for day in range(1, 365, 2))
    (gaps,) = make_report(History(runs, ()), pipeline="p").sentences[1:]
    assert gaps.startswith("No decision for 181 days in between: 2026-11-03, ")
    assert ", and 169 more; " in gaps


def test_the_table_can_be_read_back() -> None:
    table = make_report(
        HISTORY, pipeline="p", rejudged=what_if(RUNS, at_least(0.62, metric=R2))
    ).table
    rows = list(csv.DictReader(io.StringIO(table)))
    assert len(rows) == len(RUNS)
    assert rows[0]["r2_score"] == "0.61"
    assert rows[0]["r2_score_standard_deviation"] == "0.01"
    assert rows[0]["mae_standard_deviation"] == ""
    assert rows[0]["rows_snapshot"] == "20001"
    assert rows[0]["asked"] == "r2_score ≥ 0.6"
    assert rows[0]["what_if_verdict"] == "reject"
    assert rows[0]["decision_uri"] == RUNS[0].uri
    assert rows[2]["r2_score"] == ""


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t"])
def test_no_text_of_the_table_is_a_spreadsheet_s_formula(sign: str) -> None:
    history = History((run(1, run_id=f"{sign}1+1", explanation=f"{sign}cmd"),), ())
    (row,) = csv.DictReader(io.StringIO(make_report(history, pipeline="p").table))
    assert (row["run_id"], row["explanation"]) == (f"'{sign}1+1", f"'{sign}cmd")


def test_equal_histories_make_equal_reports() -> None:
    assert make_report(HISTORY, pipeline="p") == make_report(HISTORY, pipeline="p")


@pytest.mark.parametrize(
    "runs",
    [
        (),
        (run(1),),
        (run(1, None),),
        (run(1), run(1, uri="s3://b/other")),
        (run(1), run(2)),
        (run(1, metrics=Metrics({R2: Measure(0.0, 0.0)})), run(500)),
        (run(1, metrics=Metrics({RMSE: Measure(0.7, None)})),),
        tuple(run(day) for day in range(1, 200)),
    ],
    ids=["none", "one", "unjudged", "twice", "two", "years apart", "no spread", "many"],
)
def test_a_history_of_any_length_has_a_report(runs: tuple[PastRun, ...]) -> None:
    report = make_report(History(runs, ()), pipeline="p", standing=standing({"x": "y"}))
    assert len(Cells(report.page).rows) == (len(runs) + 1 if runs else 0)
    for svg in re.findall(r"<svg.*?</svg>", report.page, flags=re.DOTALL):
        ET.fromstring(svg)


def texts(svg: str) -> list[str]:
    root = ET.fromstring(svg)
    return ["".join(item.itertext()) for item in root.iter("{http://www.w3.org/2000/svg}text")]


def test_a_far_value_is_told_at_the_edge_and_flattens_no_other() -> None:
    runs = [run(day, 0.6 + day / 1000) for day in range(1, 10)] + [run(10, -25.0)]
    said = texts(metric_plot(runs, R2))
    assert "-25 ↓" in said
    ticks = [float(text.replace("−", "-")) for text in said if re.fullmatch(r"−?[\d.]+", text)]
    assert len(ticks) >= 3
    assert min(ticks) > 0.5


def test_a_plot_shows_the_bound_and_what_is_deployed() -> None:
    line = ("≥ 0.6", Bound("regression_metrics.r2_score", "≥", 0.6))
    said = texts(metric_plot(RUNS, R2, bounds=[line], deployed=RUNS[0].outcome.arn))
    assert "≥ 0.6" in said
    assert "deployed" in said
    assert {"passed", "rejected", "could not be judged"} <= set(said)


def test_bounds_beside_each_other_are_labelled_apart() -> None:
    lines = [
        (f"{word} {value}", Bound("regression_metrics.r2_score", "≥", value))
        for word, value in (("b", 0.6005), ("a", 0.6), ("c", 0.601))
    ]
    root = ET.fromstring(metric_plot(RUNS, R2, bounds=lines))
    heights = {
        "".join(item.itertext())[0]: float(re.findall(r"[\d.]+", item.get("transform", ""))[-1])
        for item in root.iter("{http://www.w3.org/2000/svg}text")
        if "".join(item.itertext())[:2] in {"a ", "b ", "c "}
    }
    # SVG counts from the top.
    assert heights["a"] - heights["b"] >= 12
    assert heights["b"] - heights["c"] >= 12


def test_the_rows_of_a_snapshot_are_those_of_its_last_run() -> None:
    again = run(1, metrics=Metrics(rows={"snapshot": 30_000}))
    svg = rows_plot([RUNS[0], again, RUNS[1]])
    root = ET.fromstring(svg)
    bars = [
        item
        for item in root.iter("{http://www.w3.org/2000/svg}path")
        if "var(--rows)" in item.get("style", "")
    ]
    assert len(bars) == 2
    assert "30,000" in texts(svg)


def spans(svg: str, style: str) -> list[tuple[float, float]]:
    """Return from where to where, from the left, the shapes of a style reach."""
    root = ET.fromstring(svg)
    shapes = [
        [float(x) for x in re.findall(r"[ML] (-?[\d.]+) ", item.get("d", ""))]
        for item in root.iter("{http://www.w3.org/2000/svg}path")
        if item.get("clip-path") and style in item.get("style", "")
    ]
    return [(min(xs), max(xs)) for xs in shapes]


def test_days_without_a_decision_are_hatched_where_they_belong() -> None:
    runs = [run(day) for day in (1, 2, 3, 6, 7, 8, 10)]
    svg = rows_plot(runs)
    bars, gaps = spans(svg, "var(--rows)"), spans(svg, "fill: url(")
    assert len(bars) == len(runs)
    assert len(gaps) == 2
    for (left, right), (before, after) in zip(gaps, ((2, 3), (5, 6)), strict=True):
        assert bars[before][1] < left < right < bars[after][0]
    # Of two days and of one.
    assert gaps[0][1] - gaps[0][0] == pytest.approx(2 * (gaps[1][1] - gaps[1][0]))
    plot = metric_plot(runs, R2)
    assert spans(plot, "fill: url(") == gaps
    assert "no decision" in texts(plot)
    page = make_report(History(tuple(runs), ()), pipeline="p").page
    assert page.count("Hatched: days without a decision, as there was no snapshot") == 3


@pytest.mark.parametrize("days", [(1,), (1, 2, 3), (1, 8, 15, 22)], ids=["one", "all", "weekly"])
def test_a_history_without_gaps_has_nothing_hatched(days: tuple[int, ...]) -> None:
    report = make_report(History(tuple(map(run, days)), ()), pipeline="p")
    assert "Hatched" not in report.page
    assert "url(#" not in report.page.replace('clip-path="url(#', "")


def test_a_report_is_written_into_a_folder(tmp_path: Path) -> None:
    report = make_report(HISTORY, pipeline="p")
    page, table = write_report(tmp_path / "a" / "b", report)
    assert page.read_text(encoding="utf-8") == report.page
    assert table.read_text(encoding="utf-8") == report.table
