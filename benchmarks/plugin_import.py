"""What the plugin costs when a task starts: with it and without it, in turn.

Each time a new process imports Airflow's task runner, as every task does, and is then timed at
what a task does next: it loads the plugins, and what they listen with. Once it does so with a
plugins folder that is empty, once with this project's. It prints the table that
docs/model-quality.md quotes:

    .venv/bin/python benchmarks/plugin_import.py
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MEASURE = """
import json, sys, time
import airflow.sdk.execution_time.task_runner
from airflow.sdk import plugins_manager
from airflow.sdk.listener import get_listener_manager
wall, cpu = time.perf_counter(), time.process_time()
manager = get_listener_manager()
plugins_manager.integrate_macros_plugins()
times = [time.perf_counter() - wall, time.process_time() - cpu]
print(json.dumps([*times, any("run_listener" in str(one) for one in manager.pm.get_plugins())]))
"""


def start(plugins: Path, home: Path) -> tuple[float, float]:
    """Return the seconds, and those of the processor, that loading plugins takes a new process."""
    answer = subprocess.run(
        [sys.executable, "-c", MEASURE],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(plugins),
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(plugins),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    wall, cpu, is_listening = json.loads(answer.stdout.splitlines()[-1])
    if is_listening != (plugins == ROOT / "plugins"):
        sys.exit(f"{plugins} was not loaded as it should be:\n{answer.stderr}")
    return wall, cpu


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=15)
    options = parser.parse_args()
    without: list[tuple[float, float]] = []
    with_it: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        empty = Path(folder) / "plugins"
        empty.mkdir()
        # The first of each writes byte-code and is not counted.
        for number in range(options.pairs + 1):
            pair = start(empty, Path(folder)), start(ROOT / "plugins", Path(folder))
            if number:
                without.append(pair[0])
                with_it.append(pair[1])
    print("| loading plugins at task start | without | with | the plugin costs |")
    print("| --- | ---: | ---: | ---: |")
    for kind, what in enumerate(("seconds passed", "processor time")):
        left, right = ([found[kind] for found in times] for times in (without, with_it))
        costs = [b - a for a, b in zip(left, right, strict=True)]
        shown = [f"{1000 * statistics.median(found):.1f} ms" for found in (left, right, costs)]
        print(f"| {what}, median of {options.pairs} pairs | {' | '.join(shown)} |")


if __name__ == "__main__":
    main()
