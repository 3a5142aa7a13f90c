"""How many SageMaker calls it costs to wait for jobs: ours beside the provider's trigger.

Both wait for the same running jobs of an embedded SageMaker, as the triggers of one triggerer do,
for the same time. It prints the table that docs/exactly-once.md quotes:

    .venv/bin/python benchmarks/polling.py
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "plugins")]

from local_stack.services.environment import (  # noqa: E402 - after the path
    ROLE_ARN,
    embedded_aws_environment,
    inherited,
)
from local_stack.services.environment import SKLEARN_IMAGE_URI as IMAGE_URI  # noqa: E402

KIND = "Processing"


@contextlib.contextmanager
def embedded_sagemaker(folder: Path, *, jobs: int) -> Iterator[str]:
    """Run a server for so many jobs at once and yield its URL."""
    command = [
        *(sys.executable, "-m", "local_sagemaker", "--state", str(folder / "state")),
        *("--images", str(ROOT / ".local" / "images"), "--max-jobs", str(jobs)),
        *("--stop-grace", "1", "--log-level", "ERROR"),
    ]
    with subprocess.Popen(
        command, cwd=ROOT, env=inherited(os.environ), stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stdout is not None
            yield server.stdout.readline().rsplit(" ", 1)[-1].strip()
        finally:
            server.terminate()


def create_jobs(client: Any, number: int) -> list[str]:
    """Start jobs that run until they are stopped."""
    names = [f"waiting-{number}-{index}" for index in range(number)]

    def create(name: str) -> None:
        client.create_processing_job(
            ProcessingJobName=name,
            RoleArn=ROLE_ARN,
            AppSpecification={"ImageUri": IMAGE_URI, "ContainerEntrypoint": ["sleep", "3600"]},
            ProcessingResources={
                "ClusterConfig": {
                    "InstanceCount": 1,
                    "InstanceType": "ml.m5.large",
                    "VolumeSizeInGB": 1,
                }
            },
        )

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(create, names))
    return names


async def count_calls(
    triggers: list[Any], *, warm_up: float, seconds: float
) -> tuple[Counter[str], Counter[str]]:
    """Run triggers that do not fire for a time, and count the calls that they make.

    Returns:
        The calls during the warm-up, and those after it.
    """
    import botocore.client  # noqa: PLC0415 - after the environment is set
    from aiobotocore.client import AioBaseClient  # noqa: PLC0415

    calls: Counter[str] = Counter()

    def counting(call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(self: Any, operation: str, parameters: Any) -> Any:
            calls[operation] += 1
            return call(self, operation, parameters)

        return counted

    async def first_event(trigger: Any) -> None:
        async for event in trigger.run():
            raise AssertionError(f"a job ended: {event}")

    async def all_events() -> None:
        await asyncio.gather(*(first_event(trigger) for trigger in triggers))

    kinds: list[Any] = [botocore.client.BaseClient, AioBaseClient]
    before = [kind._make_api_call for kind in kinds]
    for kind, call in zip(kinds, before, strict=True):
        kind._make_api_call = counting(call)
    try:
        waiting = asyncio.create_task(all_events())
        await asyncio.wait([waiting], timeout=warm_up)
        first = Counter(calls)
        await asyncio.wait([waiting], timeout=seconds)
        waiting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await waiting
    finally:
        for kind, call in zip(kinds, before, strict=True):
            kind._make_api_call = call
    return first, calls - first


def ours(names: list[str]) -> list[Any]:
    """Return our triggers."""
    from retraining.jobs.triggers import JobEndTrigger  # noqa: PLC0415 - after the environment is set

    now = datetime.now(tz=UTC)
    return [
        JobEndTrigger(
            KIND,
            name,
            created=(now - timedelta(minutes=5)).isoformat(),
            deadline=(now + timedelta(hours=1)).isoformat(),
            step_key=None,
            aws_conn_id="aws_default",
            region_name=None,
        )
        for name in names
    ]


def providers(names: list[str]) -> list[Any]:
    """Return the provider's triggers, with its default interval of 30 seconds."""
    from airflow.providers.amazon.aws.triggers.sagemaker import (  # noqa: PLC0415
        SageMakerTrigger,
    )

    return [SageMakerTrigger(job_name=name, job_type=KIND) for name in names]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, nargs="+", default=[1, 10, 200])
    parser.add_argument("--warm-up", type=float, default=120, help="seconds before the count")
    parser.add_argument("--seconds", type=float, default=120, help="seconds of the count")
    arguments = parser.parse_args()
    logging.disable(logging.INFO)
    with (
        tempfile.TemporaryDirectory() as folder,
        embedded_sagemaker(Path(folder), jobs=max(arguments.jobs) + 1) as url,
    ):
        os.environ |= {
            **embedded_aws_environment(url),
            "AIRFLOW_HOME": folder,
            "AIRFLOW_CONN_AWS_DEFAULT": '{"conn_type": "aws"}',
        }
        import boto3  # noqa: PLC0415 - after the environment is set

        client = boto3.client("sagemaker")
        print(
            f"SageMaker calls of one triggerer: the first {arguments.warm_up:g} s / the"
            f" {arguments.seconds:g} s after\n"
        )
        print("| waiting jobs | ours | the provider's | ratio of the latter |")
        print("| ---: | ---: | ---: | ---: |")
        for number in arguments.jobs:
            names = create_jobs(client, number)
            counted = [
                asyncio.run(
                    count_calls(make(names), warm_up=arguments.warm_up, seconds=arguments.seconds)
                )
                for make in (ours, providers)
            ]
            cells = [f"{first.total()} / {later.total()}" for first, later in counted]
            ratio = counted[1][1].total() / counted[0][1].total()
            print(f"| {number} | {cells[0]} | {cells[1]} | {ratio:.3g} |", flush=True)
            for name in names:
                client.stop_processing_job(ProcessingJobName=name)


if __name__ == "__main__":
    main()
