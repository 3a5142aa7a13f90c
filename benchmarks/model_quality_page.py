"""How long the page "Model quality" takes with 1,000 runs, and what its plugin costs at task start.

Starts PostgreSQL, an embedded SageMaker and Airflow's API server, writes the runs' reports and
decision records to S3 with the library's own functions, and asks the server as a browser does. It
prints the table that docs/model-quality.md quotes:

    .venv/bin/python benchmarks/model_quality_page.py
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "plugins"), str(ROOT / "tests" / "web")]

from past import Past  # noqa: E402 - after the path
from stack import DAG, Stack  # noqa: E402

# As the page asks: a few first, then the rest in larger pages.
FIRST, MORE = 50, 100
STATIC = ROOT / "plugins" / "retraining" / "web" / "static"
FILES = (
    "", "data/pipelines", "data/start", "static/chart.umd.min.js",
    *(f"static/{file.name}" for file in sorted(STATIC.glob("*.*"))),
)  # fmt: skip
IMPORT = """
import time
from airflow.sdk.plugins_manager import AirflowPlugin
from airflow.sdk import DAG
begin = time.perf_counter()
import retraining_plugin
print(time.perf_counter() - begin)
"""


def make(stack: Stack, number: int, *, newest: date = date(2026, 11, 20)) -> None:
    """Write the runs, four for each day, ending at a date."""
    days = [newest - timedelta(days=n // 4) for n in range(number)]
    pasts = [
        Past(f"manual__{n:04}", day.isoformat(), 0.58 + n % 17 / 100, "manual")
        for n, day in enumerate(days)
    ]
    s3 = stack.client("s3")
    with ThreadPoolExecutor(4) as pool:
        for _ in pool.map(lambda past: past.write(s3), pasts):
            pass
    seeds = [
        past.seed() | {"run_after": f"{past.snapshot}T0{n % 4}:00:00+00:00"}
        for n, past in enumerate(pasts)
    ]
    stack.seed(seeds)


def took(ask: Callable[[], object]) -> float:
    """Return the seconds that a question takes."""
    begin = time.perf_counter()
    ask()
    return time.perf_counter() - begin


def runs(stack: Stack, offset: int, limit: int) -> None:
    """Ask for a page of runs; all of them must be there."""
    answer = stack.page("data/runs", "vera", dag_id=DAG, offset=offset, limit=limit).json()
    assert answer["notices"] == [], answer["notices"]
    assert len(answer["rows"]) == limit
    assert {row["verdict"] for row in answer["rows"]} <= {"pass", "reject"}


def figures(stack: Stack, number: int) -> dict[str, list[float]]:
    """Measure; each page of runs is cold the first time it is asked for."""
    token = stack.token("vera")
    assert token
    half = number // 2
    files = [took(lambda: [stack.page(path, "vera").status for path in FILES]) for _ in range(5)]
    cold = [
        took(lambda at=at: runs(stack, at, FIRST))  # type: ignore[misc]
        for at in range(half, number, FIRST)
    ]
    warm = [
        took(lambda at=at: runs(stack, at, FIRST))  # type: ignore[misc]
        for at in range(half, number, FIRST)
    ]
    rest = [
        took(lambda at=at: runs(stack, at, min(MORE, half - at)))  # type: ignore[misc]
        for at in range(0, half, MORE)
    ]
    every = [
        took(lambda: [runs(stack, at, MORE) for at in range(0, number, MORE)]) for _ in range(3)
    ]
    return {
        f"the page's {len(FILES)} files, one after the other": files,
        f"{FIRST} runs that nobody asked for before": cold,
        f"{FIRST} runs that were asked for before": warm,
        f"{MORE} runs that nobody asked for before": rest,
        f"all {number} runs, once read": every,
        "the same table as CSV": [
            took(lambda: stack.page("runs.csv", "vera", dag_id=DAG)) for _ in range(3)
        ],
    }


def imports() -> list[float]:
    """Measure what loading the plugin adds to a process that has Airflow's SDK already."""
    variables = {**os.environ, "PYTHONPATH": str(ROOT / "plugins")}
    return [
        float(
            subprocess.run(
                [sys.executable, "-c", IMPORT],
                env=variables,
                capture_output=True,
                text=True,
                check=True,
            ).stdout.splitlines()[-1]
        )
        for _ in range(5)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=1_000)
    parser.add_argument("--json", action="store_true", help="print the raw figures")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as exits:
        # The database's server may run under another account, which must get there.
        Path(folder).chmod(0o755)
        stack = exits.enter_context(Stack(Path(folder)))
        make(stack, options.runs)
        found = figures(stack, options.runs)
    found["loading the plugin at task start"] = imports()
    if options.json:
        print(json.dumps(found, indent=2))
        return
    print("| what | median | longest |\n| --- | ---: | ---: |")
    for what, seconds in found.items():
        shown = [f"{1000 * value:.0f} ms" for value in (statistics.median(seconds), max(seconds))]
        print(f"| {what} | {' | '.join(shown)} |")


if __name__ == "__main__":
    main()
