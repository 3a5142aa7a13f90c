"""The document quotes what the benchmark measures."""

from __future__ import annotations

import statistics

from tests.scripts.jobs import ROOT, run_cold


def test_document_quotes_the_benchmark() -> None:
    done = run_cold(ROOT / "benchmarks" / "feature_sets.py")
    assert done.code == 0, done.stderr
    assert done.stdout in (ROOT / "docs" / "features.md").read_text()
    rows = [line.strip("| ").split(" | ") for line in done.stdout.splitlines()[2:]]
    scores = {seed: (float(raw), float(engineered)) for seed, raw, engineered in rows}
    assert len(scores) == 13 + 3
    assert scores["42"][0] == 0.5869
    engineered = [pair[1] for seed, pair in scores.items() if seed.isdigit()]
    assert min(engineered) > 0.7
    assert scores["median"][1] == statistics.median(engineered)
