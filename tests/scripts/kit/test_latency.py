"""What is measured of serving, on answers whose time is known."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.scripts.jobs import KIT, run_cold

if TYPE_CHECKING:
    from pathlib import Path

# The warm-up's requests are the first ten.
MEASURE = """
import json, sys, time
from pathlib import Path
from kit import latency
if sys.argv[4] == "patient":
    # A busy machine must not end the measurement.
    latency.SECONDS = latency.WARM_UP_S = 60
asked = []
def answer(row):
    asked.append(row)
    time.sleep(eval(sys.argv[3])(row, len(asked)))
started = time.perf_counter()
found = latency.serving_metrics(Path(sys.argv[1]), range(int(sys.argv[2])), answer=answer)
print(json.dumps([found, asked, time.perf_counter() - started]))
"""


def measured(
    folder: Path, rows: int, takes_s: str, *, patience: str = "patient"
) -> tuple[dict[str, Any], list[int], float]:
    (folder / "model.tar.gz").write_bytes(b"x" * 1_234)
    done = run_cold("-c", MEASURE, folder, str(rows), takes_s, patience, PYTHONPATH=KIT.parent)
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
    found, _, _ = measured(tmp_path, 50, "lambda row, number: 0.2 if number <= 10 else 0.001")
    assert found["latency_p99_ms"] < 200
    assert found["timed_requests"] == 50


def test_a_slow_model_is_asked_fewer_times(tmp_path: Path) -> None:
    slow = "lambda row, number: 0.7"
    found, asked, seconds = measured(tmp_path, 1_000, slow, patience="none")
    # Of the warm-up two, which take more than its second; of the others three more than two.
    assert 3 <= len(asked) <= 5
    assert 2 <= found["timed_requests"] <= 3
    assert 700 <= found["latency_p50_ms"] < 2_000
    assert seconds < 8


def test_one_row_is_enough(tmp_path: Path) -> None:
    found, asked, _ = measured(tmp_path, 1, "lambda row, number: 0.003")
    assert asked == [0, 0]
    assert found["latency_p50_ms"] == found["latency_p99_ms"] >= 3
