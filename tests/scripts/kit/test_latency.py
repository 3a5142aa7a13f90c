"""What is measured of serving, on answers whose time is known."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.scripts.jobs import KIT, run_cold

if TYPE_CHECKING:
    from pathlib import Path

# The warm-up's requests are the first ten.
MEASURE = """
import json, sys, time
from pathlib import Path
from kit.latency import serving_metrics
asked = []
def answer(row):
    asked.append(row)
    time.sleep(eval(sys.argv[3])(row, len(asked)))
started = time.perf_counter()
found = serving_metrics(Path(sys.argv[1]), range(int(sys.argv[2])), answer=answer)
print(json.dumps([found, asked, time.perf_counter() - started]))
"""


def measured(folder: Path, rows: int, takes_s: str) -> tuple[dict[str, Any], list[int], float]:
    (folder / "model.tar.gz").write_bytes(b"x" * 1_234)
    done = run_cold("-c", MEASURE, folder, str(rows), takes_s, PYTHONPATH=KIT.parent)
    assert done.code == 0, done.stderr
    found, asked, seconds = json.loads(done.stdout)
    assert list(found) == ["serving_metrics"]
    return found["serving_metrics"], asked, seconds


def test_rows_are_spread_over_the_split_and_the_percentiles_are_milliseconds(
    tmp_path: Path,
) -> None:
    # Of 200 requests three are slow: the 99th percentile sees them, the median does not.
    slow = "lambda row, number: 0.1 if row in (200, 400, 600) and number > 10 else 0.002"
    found, asked, _ = measured(tmp_path, 1_000, slow)
    assert asked[10:] == [*range(0, 1_000, 5)]
    assert asked[:10] == asked[10:20]
    assert 2 <= found["latency_p50_ms"] < 50
    assert 100 <= found["latency_p99_ms"] < 1_000
    assert found["timed_requests"] == 200
    assert found["archive_bytes"] == 1_234


def test_the_warm_up_does_not_count(tmp_path: Path) -> None:
    found, _, _ = measured(tmp_path, 50, "lambda row, number: 0.09 if number <= 10 else 0.001")
    assert found["latency_p99_ms"] < 90
    assert found["timed_requests"] == 50


def test_a_slow_model_is_asked_fewer_times(tmp_path: Path) -> None:
    found, asked, seconds = measured(tmp_path, 1_000, "lambda row, number: 0.7")
    assert len(asked) - found["timed_requests"] == 2
    assert found["timed_requests"] == 3
    assert found["latency_p50_ms"] == pytest.approx(700, abs=100)
    assert seconds < 5


def test_one_row_is_enough(tmp_path: Path) -> None:
    found, asked, _ = measured(tmp_path, 1, "lambda row, number: 0.003")
    assert asked == [0, 0]
    assert found["latency_p50_ms"] == found["latency_p99_ms"] >= 3
