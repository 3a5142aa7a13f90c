"""How the embedded SageMaker bears many jobs: calls, jobs and start-up, as its state grows.

One real processing job and one real training job are run; their descriptions, and the log of the
former, are then written so often, under other names, that the state holds as many of each as are
asked for. It prints the table that local_sagemaker/README.md quotes:

    .venv/bin/python benchmarks/embedded_sagemaker.py [--jobs 10 1000 10000]
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "plugins")]

from local_sagemaker.store import Store  # noqa: E402 - after the path
from local_stack.services.environment import (  # noqa: E402
    ROLE_ARN,
    embedded_aws_environment,
    inherited,
)
from local_stack.services.environment import SKLEARN_IMAGE_URI as IMAGE_URI  # noqa: E402

REGION, GROUP = "us-east-1", "/aws/sagemaker/ProcessingJobs"
KINDS = {"processing-job": "ProcessingJob", "training-job": "TrainingJob"}
CALLS, CLIENTS = 300, 8
REAL_JOBS, AT_ONCE = 40, 4
ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured on one state.

    Attributes:
        jobs: That it held.
        start: Seconds from the command to the server's readiness.
        calls: Name of a call to the median of its latency in milliseconds.
        rate: Describe calls a second, by several clients at once.
        jobs_a_minute: Real ones, run on top.
    """

    jobs: int
    start: float
    calls: dict[str, float]
    rate: float
    jobs_a_minute: float


@contextlib.contextmanager
def serving(state: Path) -> Iterator[tuple[str, float]]:
    """Run a server; yield its URL and the seconds that it took to be ready."""
    command = [
        *(sys.executable, "-m", "local_sagemaker", "--state", str(state)),
        *("--images", str(ROOT / ".local" / "images"), "--log-level", "ERROR"),
    ]
    started = time.perf_counter()
    with subprocess.Popen(
        command, cwd=ROOT, env=inherited(os.environ), stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stdout is not None
            url = server.stdout.readline().rsplit(" ", 1)[-1].strip()
            yield url, time.perf_counter() - started
        finally:
            server.terminate()


def client(service: str, url: str) -> Any:
    """Return a boto3 client."""
    import boto3  # noqa: PLC0415 -- after the path

    aws = embedded_aws_environment(url)
    return boto3.client(
        service,
        endpoint_url=url,
        region_name=REGION,
        aws_access_key_id=aws["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=aws["AWS_SECRET_ACCESS_KEY"],
    )


def run_job(sagemaker: Any, name: str) -> None:
    """Run a script that does next to nothing, to its end."""
    cluster = {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}
    sagemaker.create_processing_job(
        ProcessingJobName=name,
        RoleArn=ROLE_ARN,
        AppSpecification={"ImageUri": IMAGE_URI, "ContainerEntrypoint": ["echo", "done"]},
        ProcessingResources={"ClusterConfig": cluster},
    )
    while (
        status := sagemaker.describe_processing_job(ProcessingJobName=name)["ProcessingJobStatus"]
    ) == "InProgress":
        time.sleep(0.05)
    assert status == "Completed", status


def train(sagemaker: Any, name: str) -> None:
    """Run a training job that does nothing, to its end."""
    sagemaker.create_training_job(
        TrainingJobName=name,
        RoleArn=ROLE_ARN,
        AlgorithmSpecification={
            "TrainingImage": IMAGE_URI,
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["true"],
        },
        OutputDataConfig={"S3OutputPath": "s3://models/"},
        ResourceConfig={"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 60},
    )
    while (
        status := sagemaker.describe_training_job(TrainingJobName=name)["TrainingJobStatus"]
    ) == "InProgress":
        time.sleep(0.05)
    assert status == "Completed", status


def make_states(folder: Path, sizes: list[int]) -> None:
    """Make a state folder for each number of jobs, each with one that has really run."""
    with serving(folder / "first") as (url, _):
        client("s3", url).create_bucket(Bucket="models")
        run_job(client("sagemaker", url), "job-0")
        train(client("sagemaker", url), "job-0")
    for size in sizes:
        shutil.copytree(folder / "first", folder / str(size))
        store = Store(folder / str(size) / "state.sqlite")
        with store.transaction():
            for kind, prefix in KINDS.items():
                found = store.get(REGION, kind, name="job-0")
                assert found is not None
                arn, created = str(found[f"{prefix}Arn"]), float(str(found["CreationTime"]))
                for number in range(1, size):
                    name = f"job-{number}"
                    store.put(REGION, kind, name=name, document={
                        **found,
                        f"{prefix}Name": name,
                        f"{prefix}Arn": arn.replace("job-0", name),
                        "CreationTime": created + number / 1000,
                    })  # fmt: skip
            now = int(time.time() * 1000)
            store.execute_many(
                "INSERT INTO log_lines (region, log_group, stream, timestamp, message)"
                " VALUES (?, ?, ?, ?, ?)",
                [
                    (REGION, GROUP, f"job-{number}/algo-1-1", now, f"line {line}")
                    for number in range(1, size)
                    for line in range(10)
                ],
            )
        store.close()


def median_ms(call: Callable[[], object]) -> float:
    """Return the median of a call's latency, in milliseconds."""
    seconds = []
    for _ in range(CALLS):
        started = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds) * 1000


def measure(folder: Path, size: int, *, turn: int) -> Measured:
    """Start a server on a state, and measure it."""
    with serving(folder / str(size)) as (url, start):
        sagemaker, logs = client("sagemaker", url), client("logs", url)
        last = f"job-{size - 1}"
        calls = {
            "Describe": lambda: sagemaker.describe_processing_job(ProcessingJobName=last),
            "List, a page": sagemaker.list_processing_jobs,
            "List by status": lambda: sagemaker.list_processing_jobs(StatusEquals="Failed"),
            "List by part of a name, which none has": lambda: sagemaker.list_processing_jobs(
                NameContains="nix"
            ),
            "Search by status": lambda: sagemaker.search(
                Resource="TrainingJob",
                SearchExpression={"Filters": [{"Name": "TrainingJobStatus", "Value": "Failed"}]},
            ),
            "GetLogEvents": lambda: logs.get_log_events(
                logGroupName=GROUP, logStreamName=f"{last}/algo-1-1"
            ),
        }
        latencies = {name: median_ms(call) for name, call in calls.items()}
        started = time.perf_counter()
        with ThreadPoolExecutor(CLIENTS) as pool:
            list(pool.map(lambda _: calls["Describe"](), range(CALLS * 4)))
        rate = CALLS * 4 / (time.perf_counter() - started)
        started = time.perf_counter()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda n: run_job(sagemaker, f"real-{turn}-{n}"), range(REAL_JOBS)))
        minute = REAL_JOBS / (time.perf_counter() - started) * 60
        return Measured(size, start, latencies, rate, minute)


def median(turns: Sequence[Measured]) -> Measured:
    """Return the medians of what was measured on one state in all turns."""
    return Measured(
        jobs=turns[0].jobs,
        start=statistics.median(one.start for one in turns),
        calls={
            name: statistics.median(one.calls[name] for one in turns) for name in turns[0].calls
        },
        rate=statistics.median(one.rate for one in turns),
        jobs_a_minute=statistics.median(one.jobs_a_minute for one in turns),
    )


def main() -> None:
    """Measure, and print the table: figures of the smallest state, ratios of the others."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, nargs="+", default=[10, 1_000, 10_000], metavar="N")
    sizes = parser.parse_args().jobs
    with tempfile.TemporaryDirectory() as folder:
        make_states(Path(folder), sizes)
        # In turns, as the speed of a machine drifts.
        found = [
            [measure(Path(folder), size, turn=turn) for size in sizes] for turn in range(ROUNDS)
        ]
    first, *others = [median(turns) for turns in zip(*found, strict=True)]
    heads = [f"{first.jobs} jobs", *(f"{one.jobs:,} jobs" for one in others)]
    print(f"| | {' | '.join(heads)} |")
    print(f"| --- |{' ---: |' * len(heads)}")

    def row(name: str, value: Callable[[Measured], float], unit: str) -> None:
        base = value(first)
        ratios = [f"× {value(one) / base:.2f}" for one in others]
        print(f"| {name} | {base:.{1 if base < 100 else 0}f} {unit} | {' | '.join(ratios)} |")

    for name in first.calls:
        row(name, lambda one, name=name: one.calls[name], "ms")
    row(f"Describe, {CLIENTS} clients at once", lambda one: one.rate, "calls/s")
    row(f"Processing jobs, {AT_ONCE} at once", lambda one: one.jobs_a_minute, "jobs/min")
    row("Start-up", lambda one: one.start, "s")


if __name__ == "__main__":
    main()
