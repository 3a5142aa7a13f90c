"""What it costs to serve a model: how long one row takes, and how large its archive is."""

from __future__ import annotations

import time
from math import ceil
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    Row = TypeVar("Row")

# The first requests fill caches, and import what a library loads late.
WARM_UP, WARM_UP_S = 10, 1.0
# Enough for a 99th percentile, and no more time than an evaluation has to spare.
REQUESTS, SECONDS = 200, 2.0


def serving_metrics(
    model: Path, rows: Sequence[Row], *, answer: Callable[[Row], object]
) -> dict[str, dict[str, float]]:
    """Measure how long one row takes, in this process and without a network.

    The rows are spread over the test split and asked for one at a time, after a warm-up; who is
    slow is asked fewer. These are the only figures of a report that differ from one evaluation
    of the same model to the next.

    Args:
        model: The folder of ``model.tar.gz``.
        rows: The test rows, one or more.
        answer: Gives what the loaded model predicts for one of them.

    Returns:
        The report's member ``serving_metrics``: the median and the 99th percentile of the requests'
        milliseconds (each the time of one of them), how many were timed, and the archive's bytes.
    """
    chosen = [rows[number] for number in _spread(len(rows), REQUESTS)]
    _timed(chosen[:WARM_UP], answer, seconds=WARM_UP_S)
    took = sorted(_timed(chosen, answer, seconds=SECONDS))
    return {
        "serving_metrics": {
            "latency_p50_ms": _percentile(took, 0.5),
            "latency_p99_ms": _percentile(took, 0.99),
            "timed_requests": len(took),
            "archive_bytes": (model / "model.tar.gz").stat().st_size,
        }
    }


def _spread(count: int, most: int) -> list[int]:
    return [number * count // min(count, most) for number in range(min(count, most))]


def _timed(rows: Sequence[Any], answer: Callable[[Any], object], *, seconds: float) -> list[float]:
    took: list[float] = []
    until = time.perf_counter() + seconds
    for row in rows:
        start = time.perf_counter()
        if took and start > until:
            break
        answer(row)
        took.append((time.perf_counter() - start) * 1_000)
    return took


def _percentile(ordered: Sequence[float], share: float) -> float:
    return round(ordered[ceil(share * len(ordered)) - 1], 4)
