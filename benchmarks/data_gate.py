"""What the gate on data makes of good nights and of bad ones: its false alarms, and what it misses.

A pipeline's real table grows from 60 % to all of its rows, as in the sample history, in an order
that the seed chooses. Each night is good, and spoilt in the three ways that no threshold on a
model's quality sees; each is compared with the good night so many nights before it. The reports are
the jobs' own, and the gate is the library's, with its default policy; no job runs. It prints what
docs/gates.md quotes:

    .venv/bin/python benchmarks/data_gate.py
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = ROOT / "include" / "scripts"
sys.path[:0] = [str(ROOT / "plugins"), str(SCRIPTS)]

from kit.csv_table import read_split  # noqa: E402 (the scripts are no package)
from kit.data_report import data_report  # noqa: E402
from kit.outputs import plain  # noqa: E402
from retraining.gate.data import DEFAULT_DATA_POLICY, Other, decide_data  # noqa: E402
from retraining.gate.decision import Verdict  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PIPELINES = ("california_housing", "abalone", "product_reviews")
FIRST_SHARE = 0.6
AGES = (1, 3, 7, 14)
MEASURES = (
    "row_ratio", "duplicate_share_increase", "greatest_null_share_increase",
    "greatest_median_change", "greatest_stability_index", "greatest_kolmogorov_smirnov",
    "greatest_jensen_shannon",
)  # fmt: skip
NOBODY = Other(None, "no reference")


@dataclass(frozen=True, slots=True)
class Judged:
    """What the gate made of the nights of a pipeline, by what was done to them."""

    nights: dict[str, int]
    comparisons: dict[str, int]
    stopped: dict[str, int]
    distances: dict[tuple[str, str], list[float]]


def half_missing(rows: pd.DataFrame, target: str) -> pd.DataFrame:  # noqa: ARG001
    """Leave every second row."""
    return rows[::2]


def rows_twice(rows: pd.DataFrame, target: str) -> pd.DataFrame:  # noqa: ARG001
    """Write all rows twice."""
    return pd.concat([rows, rows])


def unit_everywhere(rows: pd.DataFrame, target: str) -> pd.DataFrame:
    """Give the target in another unit."""
    return rows.assign(**{target: rows[target] * 10})


SPOILT: Mapping[str, Callable[[pd.DataFrame, str], pd.DataFrame]] = {
    "good": lambda rows, _: rows,
    "half_missing": half_missing,
    "rows_twice": rows_twice,
    "unit_everywhere": unit_everywhere,
}


def table_of(pipeline: str) -> Any:
    """Return a pipeline's declaration of its table."""
    spec = importlib.util.spec_from_file_location(pipeline, SCRIPTS / pipeline / "table.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.TABLE


def judge(pipeline: str, *, seeds: int, days: int) -> Judged:
    """Judge the nights of so many histories."""
    table = table_of(pipeline)
    whole = read_split(ROOT / ".local" / "sample-data" / f"{pipeline}.csv", table)
    found = Judged(*(defaultdict(int) for _ in range(3)), defaultdict(list))
    for seed in range(seeds):
        rows = whole.iloc[np.random.default_rng(seed).permutation(len(whole))]
        first = int(len(rows) * FIRST_SHARE)
        good: list[bytes] = []
        for night in range(days):
            grown = rows[: first + (len(rows) - first) * night // (days - 1)]
            for name, spoil in SPOILT.items():
                report = data_report(spoil(grown, table.target), table)
                content = json.dumps(report, default=plain).encode()
                if name == "good":
                    good.append(content)
                found.nights[name] += 1
                for age in AGES:
                    if age <= night:
                        _compare(found, name, content, Other(good[night - age]))
    return found


def _compare(found: Judged, name: str, report: bytes, baseline: Other) -> None:
    made = decide_data(
        report, DEFAULT_DATA_POLICY, baseline=baseline, reference=NOBODY, parameters={}
    )
    assert made.decision.verdict is not Verdict.UNDECIDABLE, made.decision.explanation
    found.comparisons[name] += 1
    found.stopped[name] += made.decision.verdict is Verdict.REJECT
    distances: Any = made.comparison["distance"]
    for measure in MEASURES:
        told = distances[measure]
        found.distances[name, measure].append(told["value"] if isinstance(told, dict) else told)


def main() -> None:
    """Print two Markdown tables a pipeline: what was stopped, and how far the nights are apart."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pipelines", nargs="*", default=PIPELINES, help=", ".join(PIPELINES))
    parser.add_argument("--seeds", type=int, default=10, help="histories of each")
    parser.add_argument("--days", type=int, default=30, help="nights of each, two or more")
    options = parser.parse_args()
    for pipeline in options.pipelines:
        found = judge(pipeline, seeds=options.seeds, days=options.days)
        print(f"\n{pipeline}, compared with the good night {', '.join(map(str, AGES))} before\n")
        print("| nights | number | comparisons | stopped | share |")
        print("| --- | ---: | ---: | ---: | ---: |")
        for name, count in found.comparisons.items():
            stopped = found.stopped[name]
            print(
                f"| {name} | {found.nights[name]} | {count} | {stopped} | {stopped / count:.2%} |"
            )
        print("\n| distance, least to greatest | " + " | ".join(SPOILT) + " |")
        print("| --- |" + " ---: |" * len(SPOILT))
        for measure in MEASURES:
            spans = [
                f"{min(values):.3g} to {max(values):.3g}"
                for values in (found.distances[name, measure] for name in SPOILT)
            ]
            print(f"| {measure} | {' | '.join(spans)} |")


if __name__ == "__main__":
    main()
