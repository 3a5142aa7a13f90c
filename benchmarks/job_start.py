"""What it saves to fork jobs from a process that has imported their libraries.

Two embedded SageMakers, one with `--start-jobs cold`, one warm, run the pipeline's three jobs on
the real data in turns. It prints the table that local_sagemaker/README.md quotes:

    .venv/bin/python benchmarks/job_start.py
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "plugins")]

import boto3  # noqa: E402 - after the path
from retraining import naming  # noqa: E402
from retraining.jobs.requests import input_path, output_path, processing_job, training_job  # noqa: E402
from retraining.runs.code_archive import read_scripts  # noqa: E402

from local_stack.services.environment import (  # noqa: E402
    REGION,
    ROLE_ARN,
    embedded_aws_environment,
    inherited,
)
from local_stack.services.environment import SKLEARN_IMAGE_URI as IMAGE_URI  # noqa: E402

BUCKET = "benchmark"
DATA = ROOT / ".local" / "sample-data" / "california_housing.csv"
SCRIPTS = ("preprocess.py", "train.py", "evaluate.py")


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one job.

    Attributes:
        wall: Seconds from its creation to its end, transfers included.
        processor: Seconds of all of its processes.
    """

    wall: float
    processor: float


@dataclass(frozen=True, slots=True)
class Server:
    """One embedded SageMaker, with the code and a snapshot in its bucket."""

    process: subprocess.Popen[str]
    sagemaker: Any
    code: str

    def run(self, name: str, request: dict[str, object]) -> Cost:
        """Run one job."""
        kind = "training" if "AlgorithmSpecification" in request else "processing"
        noun = f"{kind.capitalize()}Job"
        before = self._processor_seconds()
        getattr(self.sagemaker, f"create_{kind}_job")(**{f"{noun}Name": name}, **request)
        describe = getattr(self.sagemaker, f"describe_{kind}_job")
        while (job := describe(**{f"{noun}Name": name}))[f"{noun}Status"] == "InProgress":
            time.sleep(0.05)
        assert job[f"{noun}Status"] == "Completed", job
        end = job["ProcessingEndTime" if kind == "processing" else "TrainingEndTime"]
        wall = (end - job["CreationTime"]).total_seconds()
        return Cost(wall, self._processor_seconds() - before)

    def _processor_seconds(self) -> float:
        # Of the ended children that the server has waited for, and of theirs; man 5 proc.
        stat = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(stat[13]) + int(stat[14])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def embedded_sagemaker(folder: Path, *, start_jobs: str) -> Iterator[Server]:
    """Run a server."""
    command = [
        *(sys.executable, "-m", "local_sagemaker", "--state", str(folder / start_jobs)),
        *("--images", str(ROOT / ".local" / "images"), "--start-jobs", start_jobs),
        *("--log-level", "ERROR"),
    ]
    with subprocess.Popen(
        command, cwd=ROOT, env=inherited(os.environ), stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().rsplit(" ", 1)[-1].strip()
            os.environ |= embedded_aws_environment(url)
            clients = [
                boto3.client(service, endpoint_url=url, region_name=REGION)
                for service in ("sagemaker", "s3")
            ]
            yield Server(process, clients[0], put_inputs(clients[1]))
        finally:
            process.terminate()


def put_inputs(s3: Any) -> str:
    """Upload the scripts and the snapshot; return the code's URI."""
    s3.create_bucket(Bucket=BUCKET)
    code = f"s3://{BUCKET}/code"
    archive = read_scripts(ROOT / "include" / "scripts" / "california_housing")
    objects = {f"{naming.scripts_uri(code)}/{name}": text for name, text in archive.files.items()}
    objects[naming.source_archive_uri(code)] = archive.tar_gz()
    objects[f"s3://{BUCKET}/snapshot/housing.csv"] = DATA.read_bytes()
    for uri, content in objects.items():
        s3.put_object(Bucket=BUCKET, Key=uri.removeprefix(f"s3://{BUCKET}/"), Body=content)
    return code


def night(server: Server, number: int) -> list[Cost]:
    """Run preprocess, train and evaluate, as the DAG does."""
    run = f"s3://{BUCKET}/runs/{number}"
    common = {
        "image_uri": IMAGE_URI,
        "role_arn": ROLE_ARN,
        "instance_type": "ml.m5.large",
        "code_uri": server.code,
    }
    splits = ("train", "test", "preprocessor")
    preprocess = processing_job(
        **common,
        script=SCRIPTS[0],
        arguments=["--snapshot", input_path("snapshot"), "--output", output_path()],
        inputs={"snapshot": f"s3://{BUCKET}/snapshot/"},
        outputs={name: f"{run}/{name}" for name in splits},
    )
    train = training_job(
        **common,
        script=SCRIPTS[1],
        hyperparameters={"fit-intercept": "true", "positive": "false"},
        channels={name: f"{run}/{name}" for name in ("train", "preprocessor")},
        output_uri=f"{run}/model",
        metrics={},
    )
    evaluate = processing_job(
        **common,
        script=SCRIPTS[2],
        arguments=["--output", output_path("evaluation")],
        inputs={
            "model": f"{run}/model/train-{number}/output/model.tar.gz",
            "test": f"{run}/test",
        },
        outputs={"evaluation": f"{run}/evaluation"},
    )
    return [
        server.run(f"{script.removesuffix('.py')}-{number}", request)
        for script, request in zip(SCRIPTS, (preprocess, train, evaluate), strict=True)
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nights", type=int, default=7, help="after a first one, not counted")
    nights = parser.parse_args().nights
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        servers = {
            mode: stack.enter_context(embedded_sagemaker(folder, start_jobs=mode))
            for mode in ("cold", "warm")
        }
        measured: dict[str, list[list[Cost]]] = {mode: [] for mode in servers}
        for number in range(nights + 1):
            # In turns, and each first as often as second: the machine has other things to do.
            for mode in sorted(servers, reverse=bool(number % 2)):
                measured[mode].append(night(servers[mode], number))
    print(f"Seconds of a job, medians of {nights} pairs\n")
    print("| Job | wall, cold | wall, warm | processor, cold | processor, warm |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for index, script in enumerate((*SCRIPTS, "all three")):
        cells = [script if script == "all three" else f"`{script}`"]
        for attribute in ("wall", "processor"):
            for mode in ("cold", "warm"):
                jobs = slice(None) if script == "all three" else slice(index, index + 1)
                values = [
                    sum(getattr(cost, attribute) for cost in costs[jobs])
                    for costs in measured[mode][1:]
                ]
                cells.append(f"{statistics.median(values):.2f}")
        print(f"| {' | '.join(cells)} |")
    first = [sum(cost.wall for cost in measured[mode][0]) for mode in ("cold", "warm")]
    print(f"\nThe first three jobs: {first[0]:.1f} s cold, {first[1]:.1f} s warm")


if __name__ == "__main__":
    main()
