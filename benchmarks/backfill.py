"""How long a backfill takes, beside the bare scripts in a loop with as many processes.

For each number of nights the sample history is landed, and run twice: by a backfill on a whole
Airflow with the embedded SageMaker, as `make up` starts it, and by a loop that runs preprocess.py,
train.py and evaluate.py, a process each, with no Airflow, S3, gate or registry. The backfill is
then repeated, with every step reused, and a DAG of as many empty tasks is run for the same nights.
It prints the tables that docs/backfills.md quotes:

    .venv/bin/python benchmarks/backfill.py
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from local_stack.programs import control, kernel, ports  # noqa: E402 - after the path
from local_stack.programs.keys import keys  # noqa: E402
from local_stack.programs.places import local_place  # noqa: E402
from local_stack.services import airflow_api, embedded_sagemaker, environment  # noqa: E402

RETRAINING = "california_housing_retraining"
EMPTY_TASKS = "empty_tasks"
SCRIPTS = ROOT / "include" / "scripts" / "california_housing"
IMAGE_PYTHON = ROOT / ".local" / "images" / "sklearn-1.4-2" / "bin" / "python"
# Whose process it is whose command line has the words.
KINDS = {
    "Airflow's tasks": "airflow worker",
    "scheduler": "scheduler",
    "API server": "api_server",
    "embedded SageMaker": "local_sagemaker",
    "PostgreSQL": "postgres",
}
OTHER = "the rest"
ENVIRONMENT = environment.inherited(os.environ) | {"PYTHONPATH": str(SCRIPTS.parent)}
_LOOK_S = 5


@dataclass(frozen=True, slots=True)
class Measured:
    """Of one backfill.

    Attributes:
        wall: Seconds.
        processor: Seconds of the processor by who used them; see ``KINDS``.
        memory: The greatest sum of all processes' proportional set sizes, in MiB.
        jobs: How many jobs have completed so far. One that failed leaves nothing to reuse.
    """

    wall: float
    processor: dict[str, float]
    memory: float
    jobs: int


class Stack:
    """What `make up` starts, in a folder of its own, with the nights landed and one more DAG."""

    def __init__(self, folder: Path, nights: int) -> None:
        project = folder / "project"
        shutil.copytree(ROOT / "dags", project / "dags")
        shutil.copy(ROOT / "benchmarks" / "dags" / f"{EMPTY_TASKS}.py", project / "dags")
        for name in ("include", "local_sagemaker", "plugins"):
            (project / name).symlink_to(ROOT / name)
        self._place = local_place(project, folder / "place")
        port, sagemaker_port = ports.any_free(), ports.any_free()
        self._command("up", "--port", str(port), "--sagemaker-port", str(sagemaker_port))
        aws = environment.embedded_aws_environment(f"http://127.0.0.1:{sagemaker_port}")
        self._sagemaker = embedded_sagemaker.api(aws)
        self._url = f"http://127.0.0.1:{port}"
        secret = keys(self._place.secrets).password
        self._token = airflow_api.token(self._url, environment.ADMIN, secret)
        # The night's own runs, which start by themselves.
        for dag_id in (RETRAINING, EMPTY_TASKS):
            self._wait(lambda dag_id=dag_id: self._runs(dag_id, "success", "failed"))
        self._last = datetime.now(UTC).date() - timedelta(days=1)
        self._nights = nights
        self._command("snapshots", "--days", str(nights), "--end", self._last.isoformat())

    def down(self) -> None:
        """Stop it."""
        self._command("down")

    def backfill(self, dag_id: str = RETRAINING, *, active: int) -> Measured:
        """Run all nights, and wait until the last has ended."""
        first = self._last - timedelta(days=self._nights - 1)
        before = self._processor()
        begin = datetime.now(UTC)
        made = self._ask(
            "backfills",
            {
                "dag_id": dag_id,
                "from_date": f"{first}T00:00:00Z",
                "to_date": f"{self._last}T23:59:59Z",
                "max_active_runs": active,
                "reprocess_behavior": "completed",
            },
        )
        memory = Memory(self._supervisor())
        self._wait(lambda: self._ask(f"backfills/{made['id']}")["completed_at"])
        # A backfill is looked at every half minute; its last run has ended before.
        runs = self._runs(dag_id, "success", "failed")
        ends = [datetime.fromisoformat(run["end_date"]) for run in runs]
        wall = (max(ends) - begin).total_seconds()
        after = self._processor()
        used = {kind: after[kind] - before[kind] for kind in after}
        return Measured(wall, used, memory.stop(), self._jobs())

    def _wait(self, is_over: Any) -> None:
        deadline = time.monotonic() + 1800
        while not is_over():
            assert time.monotonic() < deadline
            time.sleep(1)

    def _runs(self, dag_id: str, *states: str) -> list[dict[str, Any]]:
        query = "&".join(f"state={state}" for state in states)
        answer = self._ask(f"dags/{dag_id}/dagRuns?limit=1000&{query}")
        runs: list[dict[str, Any]] = answer["dag_runs"]
        return runs

    def _jobs(self) -> int:
        pages = (
            (kind, page)
            for kind in ("Processing", "Training")
            for page in self._sagemaker.get_paginator(f"list_{kind.lower()}_jobs").paginate(
                StatusEquals="Completed"
            )
        )
        return sum(len(page[f"{kind}JobSummaries"]) for kind, page in pages)

    def _supervisor(self) -> int:
        pid = control.holder(self._place)
        assert pid is not None
        return pid

    def _processor(self) -> dict[str, float]:
        """Return the seconds that all processes have used, also those that have ended."""
        used = dict.fromkeys([*KINDS, OTHER], 0.0)
        pid = self._supervisor()
        for child in (pid, *kernel.descendants(pid)):
            used[kind_of(child)] += processor_seconds(child)
        return used

    def _ask(self, path: str, body: dict[str, Any] | None = None) -> Any:
        request = urllib.request.Request(
            f"{self._url}/api/v2/{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {self._token}",
                "Content-Type": "application/json",
            },
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def _command(self, *arguments: str) -> None:
        place = ("--project", str(self._place.project), "--state", str(self._place.state))
        command = [sys.executable, "-m", "local_stack", *place, *arguments]
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


class Memory:
    """Looks at the memory of a process and its descendants; seldom, as the kernel has to count."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._most = 0.0
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def stop(self) -> float:
        """Return the greatest sum, in MiB."""
        self._is_over.set()
        self._thread.join()
        return self._most

    def _look(self) -> None:
        while not self._is_over.wait(_LOOK_S):
            sizes = (share(pid) for pid in (self._pid, *kernel.descendants(self._pid)))
            self._most = max(self._most, sum(sizes) / 1024)


def share(pid: int) -> int:
    """Return a process' proportional set size in KiB; 0 if it is gone."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def kind_of(pid: int) -> str:
    """Return whose process it is, by its command line."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return OTHER
    return next((kind for kind, word in KINDS.items() if word in command), OTHER)


def processor_seconds(pid: int) -> float:
    """Return a process' seconds, and those of its children that it has waited for."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(int(ticks) for ticks in stat[11:15]) / os.sysconf("SC_CLK_TCK")


def bare_loop(folder: Path, nights: int, processes: int) -> float:
    """Run the scripts on every night; return the seconds that it took."""
    command = [sys.executable, "-m", "local_stack", "snapshots", "--days", str(nights)]
    command += ["--folder", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    snapshots = sorted((folder / "california-housing" / "snapshots").iterdir())
    complete = [snapshot for snapshot in snapshots if (snapshot / "_SUCCESS").exists()]
    begin = time.monotonic()
    with ThreadPoolExecutor(processes) as pool:
        list(pool.map(lambda night: bare_night(folder / "runs" / night.name, night), complete))
    return time.monotonic() - begin


def bare_night(run: Path, snapshot: Path) -> bool:
    """Run the three scripts; say whether all ended well."""
    model = run / "model"
    model.mkdir(parents=True)
    message = ("--message", str(run / "message"))
    steps: tuple[tuple[str, list[str], dict[str, str]], ...] = (
        ("preprocess.py", ["--snapshot", str(snapshot), "--output", str(run), *message], {}),
        (
            "train.py",
            ["--fit-intercept", "true", "--positive", "false"],
            {
                "SM_CHANNEL_TRAIN": str(run / "train"),
                "SM_CHANNEL_PREPROCESSOR": str(run / "preprocessor"),
                "SM_MODEL_DIR": str(model),
                "SM_OUTPUT_DIR": str(run),
            },
        ),
        (
            "evaluate.py",
            [
                *("--model", str(run), "--test", str(run / "test")),
                *("--output", str(run / "evaluation"), *message),
            ],
            {},
        ),
    )
    for script, arguments, variables in steps:
        if script == "evaluate.py":
            with tarfile.open(run / "model.tar.gz", "w:gz") as archive:
                archive.add(model, ".")
        command = [str(IMAGE_PYTHON), str(SCRIPTS / script), *arguments]
        ended = subprocess.run(
            command, env=ENVIRONMENT | variables, capture_output=True, check=False, cwd=SCRIPTS
        )
        if ended.returncode:
            return False
    return True


def shares(processors: list[dict[str, float]]) -> str:
    """Return the cells of a row: the median seconds of each kind."""
    medians = (statistics.median(used[kind] for used in processors) for kind in (*KINDS, OTHER))
    return " | ".join(f"{seconds:.0f} s" for seconds in medians)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nights", type=int, nargs="+", default=[1, 10, 30, 90])
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--active", type=int, default=8, help="runs of the backfill at once")
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    # It holds for the processes that this one starts, too.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    scratch = ROOT / ".local" / "benchmarks"
    scratch.mkdir(parents=True, exist_ok=True)
    print(
        "| nights | backfill | a minute | bare loop | backfill / loop | again, all reused "
        "| empty tasks | memory |\n| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    )
    used = []
    for nights in options.nights:
        rounds = []
        for _ in range(options.rounds):
            folder = Path(tempfile.mkdtemp(dir=scratch))
            loop = bare_loop(folder / "bare", nights, options.processes)
            stack = Stack(folder, nights)
            try:
                first = stack.backfill(active=options.active)
                again = stack.backfill(active=options.active)
                empty = stack.backfill(EMPTY_TASKS, active=options.active)
            finally:
                stack.down()
            assert again.jobs == first.jobs, f"{again.jobs - first.jobs} jobs ran again"
            shutil.rmtree(folder)
            rounds.append((first, loop, again, empty))
        firsts, loops, agains, empties = zip(*rounds, strict=True)
        wall = statistics.median(first.wall for first in firsts)
        loop = statistics.median(loops)
        ratio = statistics.median(
            first.wall / loop for first, loop in zip(firsts, loops, strict=True)
        )
        again_s = statistics.median(again.wall for again in agains)
        empty_s = statistics.median(empty.wall for empty in empties)
        memory = max(first.memory for first in firsts)
        print(
            f"| {nights} | {wall:.0f} s | {nights / wall * 60:.1f} | {loop:.0f} s | {ratio:.2f} "
            f"| {again_s:.0f} s | {empty_s:.0f} s | {memory:.0f} MiB |",
            flush=True,
        )
        used.append(f"| {nights} | {shares([first.processor for first in firsts])} |")
        used.append(f"| {nights}, empty tasks | {shares([empty.processor for empty in empties])} |")
    print(f"\n| nights | {' | '.join([*KINDS, OTHER])} |\n|{' ---: |' * (len(KINDS) + 2)}")
    print("\n".join(used))


if __name__ == "__main__":
    main()
