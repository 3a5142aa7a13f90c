"""Plots of past runs as SVG that a page can hold and style.

Colours are names of the page's style (``--pass``), so that a plot follows its light or dark theme.
"""

from __future__ import annotations

import io
import math
import re
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from statistics import quantiles
from typing import TYPE_CHECKING, Any

from retraining import naming
from retraining.gate.decision import Verdict
from retraining.gate.replay import WORDS
from retraining.past_runs.standing import DEPLOYED
from retraining.past_runs.summary import nights_without

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from retraining.gate.bounds import Bound
    from retraining.past_runs.reading import PastRun

# What matplotlib draws with, and what the page's style calls it. No two may be alike.
_COLOURS = {
    "ink": "#010101",
    "grid": "#010102",
    "surface": "#010103",
    "bound": "#010104",
    "rows": "#010105",
    "pass": "#010106",
    "reject": "#010107",
    "undecidable": "#010108",
    "gap": "#010109",
}
# Told apart by shape too: a disc, a cross and a diamond.
_SHAPES = {Verdict.PASS: "o", Verdict.REJECT: "X", Verdict.UNDECIDABLE: "D"}
_CIRCLE: Mapping[str, Any] = {
    "marker": "o",
    "markersize": 14,
    "markerfacecolor": "none",
    "markeredgecolor": _COLOURS["ink"],
    "markeredgewidth": 1.4,
    "linestyle": "none",
    "clip_on": False,
}
_GAP: Mapping[str, Any] = {
    "facecolor": "none",
    "edgecolor": _COLOURS["gap"],
    "hatch": "////",
    "linewidth": 0,
}
_WIDTH, _HEIGHT = 9.0, 2.9
# Of an inch; and the height of a line of text in them.
_POINTS, _LINE = 72.0, 13.0
# Values further from the middle half than so many times its width would flatten all others.
_FAR = 4.0
# Larger ones cannot be told apart from each other by any ruler, and overflow when subtracted.
_HUGE = 1e100
# Between runs of one snapshot, in days.
_BESIDE = 0.16
NO_DECISION = "no decision"


@dataclass(frozen=True, slots=True)
class _Mark:
    x: float
    run: PastRun
    value: float | None
    interval: tuple[float, float] | None


def metric_plot(
    runs: Sequence[PastRun],
    metric: str,
    *,
    bounds: Sequence[tuple[str, Bound]] = (),
    deployed: str | None = None,
) -> str:
    """Plot a metric of each run over its snapshot's date, with its 95 % interval; return SVG.

    Args:
        runs: In the order of their snapshots.
        metric: Its path.
        bounds: Horizontal lines and what to call them.
        deployed: The ARN of the version to circle.
    """
    figure, axes = _figure(runs)
    marks = _marks(runs, metric)
    low, high = _limits(marks, [_drawn(bound.value) for _, bound in bounds])
    axes.set_ylim(low, high)
    _draw_bounds(axes, bounds)
    for verdict in Verdict:
        _draw(axes, [mark for mark in marks if mark.run.outcome.verdict is verdict], verdict)
    circled = [mark for mark in marks if deployed and mark.run.outcome.arn == deployed]
    for mark in circled:
        if mark.value is not None:
            axes.plot(mark.x, min(max(mark.value, low), high), zorder=4, **_CIRCLE)
    _label_outsiders(axes, marks)
    _legend(
        axes,
        {mark.run.outcome.verdict for mark in marks},
        with_circle=bool(circled),
        with_gaps=bool(nights_without(runs)),
    )
    if all(mark.value is None for mark in marks):
        axes.set_yticks([])
    return _svg(figure, metric)


def rows_plot(runs: Sequence[PastRun]) -> str:
    """Plot the rows of each snapshot, as its last run read them; return SVG."""
    figure, axes = _figure(runs)
    counts = [(run.snapshot, run.outcome.metrics.rows.get("snapshot")) for run in runs]
    last = {snapshot: min(count, _HUGE) for snapshot, count in counts if count is not None}
    axes.bar(
        [_day(snapshot) for snapshot in last], [*last.values()], width=0.7, color=_COLOURS["rows"]
    )
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    return _svg(figure, "rows")


def _figure(runs: Sequence[PastRun]) -> tuple[Any, Any]:
    # Heavy, and only a report needs it. The figure's own interface keeps no state between calls.
    from matplotlib.figure import Figure  # noqa: PLC0415
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415

    figure = Figure(figsize=(_WIDTH, _HEIGHT))
    # The same margins everywhere, so that the dates of all plots stand below each other.
    figure.subplots_adjust(left=0.08, right=0.91, top=0.87, bottom=0.12)
    figure.patch.set_visible(False)
    axes = figure.subplots()
    axes.patch.set_visible(False)
    days = [_day(run.snapshot) for run in runs]
    first, last = min(days), max(days)
    # A single day must not fill the plot.
    margin = max(0.7 + 0.02 * (last - first), 3 - (last - first))
    axes.set_xlim(first - margin, last + margin)
    for before, after in nights_without(runs):
        axes.axvspan(_day(before) - 0.5, _day(after) + 0.5, zorder=0, **_GAP)
    # Of whole days only, and a date that says all where a year is not enough.
    locator = _dates().AutoDateLocator(minticks=2, maxticks=9)
    locator.intervald[4] = [7, 14]
    axes.xaxis.set_major_locator(locator if last - first > 7 else _dates().DayLocator())
    long = runs[0].snapshot[:4] != runs[-1].snapshot[:4]
    axes.xaxis.set_major_formatter(_dates().DateFormatter("%d %b %Y" if long else "%d %b"))
    axes.yaxis.set_major_locator(MaxNLocator(6))
    axes.grid(axis="y", color=_COLOURS["grid"], linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=_COLOURS["ink"], labelsize=10, color=_COLOURS["grid"])
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(_COLOURS["grid"])
    return figure, axes


def _marks(runs: Sequence[PastRun], metric: str) -> list[_Mark]:
    marks = []
    for snapshot, group in groupby(runs, key=lambda run: run.snapshot):
        for number, run in enumerate(group):
            measure = run.outcome.metrics.measures.get(metric)
            ends = measure.interval if measure else None
            marks.append(
                _Mark(
                    _day(snapshot) + number * _BESIDE,
                    run,
                    _drawn(measure.value) if measure else None,
                    (_drawn(ends[0]), _drawn(ends[1])) if ends else None,
                )
            )
    return marks


def _drawn(value: float) -> float:
    return min(max(value, -_HUGE), _HUGE)


def _limits(marks: Sequence[_Mark], lines: Sequence[float]) -> tuple[float, float]:
    """Return the range in which most values can be told apart, with all lines in it."""
    values = [mark.value for mark in marks if mark.value is not None]
    first, _, third = quantiles(values, n=4) if len(values) > 1 else (values or [0.0]) * 3
    widths = [mark.interval[1] - mark.interval[0] for mark in marks if mark.interval]
    middle = max(third - first, min(widths, default=0.0), 1e-3 * abs(first))
    near = [
        end
        for mark in marks
        if mark.value is not None and first - _FAR * middle <= mark.value <= third + _FAR * middle
        for end in (mark.interval or (mark.value,))
    ]
    ends = [*near, *lines] or [0.0, 1.0]
    margin = 0.08 * (max(ends) - min(ends)) or max(0.5, 0.1 * abs(ends[0]))
    return min(ends) - margin, max(ends) + margin


def _draw_bounds(axes: Any, bounds: Sequence[tuple[str, Bound]]) -> None:
    low, high = axes.get_ylim()
    points = axes.get_window_extent().height * _POINTS / axes.figure.dpi
    lowest = -math.inf
    for name, bound in sorted(bounds, key=lambda item: item[1].value):
        value = _drawn(bound.value)
        axes.axhline(value, color=_COLOURS["bound"], linewidth=1.4, linestyle="--", zorder=1)
        place = (value - low) / (high - low) * points
        lowest = max(place, lowest + _LINE)
        # At the right margin no point can lie under it.
        axes.annotate(
            name,
            (1, value),
            xycoords=axes.get_yaxis_transform(),
            xytext=(5, lowest - place),
            textcoords="offset points",
            va="center",
            color=_COLOURS["bound"],
            parse_math=False,
        )


def _draw(axes: Any, marks: Sequence[_Mark], verdict: Verdict) -> None:
    colour = _COLOURS[verdict.value]
    low, high = axes.get_ylim()
    drawn: list[tuple[float, float]] = []
    lines: list[tuple[float, float, float]] = []
    for mark in marks:
        y = low if mark.value is None else min(max(mark.value, low), high)
        drawn.append((mark.x, y))
        if mark.value == y and mark.interval:
            lines.append((mark.x, *mark.interval))
    if lines:
        axes.vlines(*zip(*lines, strict=True), color=colour, linewidth=1.6, alpha=0.55, zorder=2)
    if drawn:
        axes.plot(
            *zip(*drawn, strict=True),
            marker=_SHAPES[verdict],
            markersize=7.5,
            color=colour,
            markeredgecolor=_COLOURS["surface"],
            markeredgewidth=0.8,
            linestyle="none",
            clip_on=False,
            zorder=3,
        )


def _label_outsiders(axes: Any, marks: Sequence[_Mark]) -> None:
    """Give the values that are drawn at an edge: with their number, where there is room."""
    low, high = axes.get_ylim()
    first, last = axes.get_xlim()
    room = {low: first, high: first}
    for mark in marks:
        if mark.value is None or low <= mark.value <= high:
            continue
        edge, arrow, above = (low, "↓", 9) if mark.value < low else (high, "↑", -14)
        fits = mark.x >= room[edge]
        if fits:
            room[edge] = mark.x + 0.09 * (last - first)
        axes.annotate(
            f"{mark.value:.3g} {arrow}" if fits else arrow,
            (mark.x, edge),
            xytext=(0, above),
            textcoords="offset points",
            ha="center",
            fontsize=9,
            color=_COLOURS[mark.run.outcome.verdict.value],
            # A line may run through it.
            bbox={"facecolor": _COLOURS["surface"], "edgecolor": "none", "pad": 0.5},
            zorder=5,
        )


def _legend(axes: Any, verdicts: set[Verdict], *, with_circle: bool, with_gaps: bool) -> None:
    from matplotlib.lines import Line2D  # noqa: PLC0415 - heavy
    from matplotlib.patches import Patch  # noqa: PLC0415 - heavy

    handles: list[Any] = [
        Line2D(
            [],
            [],
            marker=_SHAPES[verdict],
            color=_COLOURS[verdict.value],
            markeredgecolor=_COLOURS["surface"],
            markersize=8,
            linestyle="none",
            label=WORDS[verdict],
        )
        for verdict in Verdict
        if verdict in verdicts
    ]
    if with_circle:
        # A word beside the point would lie on the points next to it.
        handles.append(Line2D([], [], label=DEPLOYED, **_CIRCLE))
    if with_gaps:
        handles.append(Patch(label=NO_DECISION, **_GAP))
    axes.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=5,
        frameon=False,
        labelcolor=_COLOURS["ink"],
        handletextpad=0.2,
        borderpad=0.2,
    )


def _svg(figure: Any, name: str) -> str:
    from matplotlib import rc_context  # noqa: PLC0415 - heavy

    content = io.StringIO()
    # Text stays text; ids follow from the content, so that equal histories are equal pages.
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "past runs"}):
        figure.savefig(content, format="svg", metadata={"Date": None})
    svg = content.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", svg, flags=re.DOTALL)
    # Ids are of the whole page, and it has several plots; a metric's path may have any letters.
    mark = f"p{naming.fingerprint(name)[:12]}"
    svg = re.sub(r'(\sid="|url\(#|href="#)', rf"\g<1>{mark}-", svg)
    for style, colour in _COLOURS.items():
        svg = svg.replace(colour, f"var(--{style})")
    return svg.replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1)


def _day(snapshot: str) -> float:
    return float(_dates().date2num(date.fromisoformat(snapshot)))


def _dates() -> Any:
    import matplotlib.dates  # noqa: PLC0415 - heavy

    return matplotlib.dates
