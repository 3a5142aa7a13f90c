"""A workbench for tuners: a script whose loss follows from its hyperparameters, and requests."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

# `mode` says what it does; a file at `gate` lets it go on.
SCRIPT = """
import os, signal, sys, time
x, mode, gate = (os.environ.get(f"SM_HP_{name}", "") for name in ("X", "MODE", "GATE"))
if mode == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("started", flush=True)
while gate and not os.path.exists(gate):
    time.sleep(0.02)
if mode == "fail":
    sys.exit("no data")
if mode != "mute":
    print(f"loss={(float(x) - 0.3) ** 2:.9f};")
"""
LOSS = {"Name": "loss", "Regex": "loss=(.*?);"}
X = {"ContinuousParameterRanges": [{"Name": "x", "MinValue": "0", "MaxValue": "1"}]}
Members = dict[str, Any]
_names = itertools.count(1)


@dataclass(slots=True)
class TuningBench:
    """One server, and the means to run tuners on it.

    Attributes:
        bench: The workbench of jobs.
        poll: Waits for a condition.
    """

    bench: Any
    poll: Callable[..., Any]

    def request(
        self,
        ranges: Members | None = None,
        *,
        strategy: str = "Random",
        jobs: int | None = 2,
        parallel: int = 2,
        static: dict[str, str] | None = None,
        config: Members | None = None,
        definition: Members | None = None,
        **more: Any,
    ) -> Members:
        """Return a request; None leaves a member out of config and definition."""
        training = self.bench.training_request(
            SCRIPT, toolkit=True, algorithm={"MetricDefinitions": [LOSS]}
        )
        del training["TrainingJobName"]
        hyperparameters = {**training.pop("HyperParameters"), **(static or {})}
        limits = {"MaxParallelTrainingJobs": parallel}
        return {
            "HyperParameterTuningJobName": f"tuner-{next(_names)}",
            "HyperParameterTuningJobConfig": _present(
                {
                    "Strategy": strategy,
                    "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"},
                    "ResourceLimits": limits | ({"MaxNumberOfTrainingJobs": jobs} if jobs else {}),
                    "ParameterRanges": X if ranges is None else ranges,
                    **(config or {}),
                }
            ),
            "TrainingJobDefinition": _present(
                {**training, "StaticHyperParameters": hyperparameters, **(definition or {})}
            ),
            **more,
        }

    def start(self, request: Members) -> str:
        """Create a tuner; return its name."""
        self.bench.sagemaker.create_hyper_parameter_tuning_job(**request)
        return str(request["HyperParameterTuningJobName"])

    def describe(self, name: str) -> Members:
        """Describe a tuner."""
        return self.bench.sagemaker.describe_hyper_parameter_tuning_job(
            HyperParameterTuningJobName=name
        )

    def finish(self, name: str) -> Members:
        """Wait for a tuner's end; describe it."""
        self.poll(
            lambda: (
                self.describe(name)["HyperParameterTuningJobStatus"]
                not in {"InProgress", "Stopping"}
            ),
            what=f"the end of {name}",
            seconds=120,
        )
        return self.describe(name)

    def run(self, request: Members) -> Members:
        """Create a tuner, wait for its end, describe it."""
        return self.finish(self.start(request))

    def children(self, name: str, **more: Any) -> list[Members]:
        """Return the summaries of a tuner's training jobs."""
        pages = self.bench.sagemaker.get_paginator(
            "list_training_jobs_for_hyper_parameter_tuning_job"
        ).paginate(HyperParameterTuningJobName=name, **more)
        return [child for page in pages for child in page["TrainingJobSummaries"]]

    def up(self, name: str, count: int) -> None:
        """Wait until so many of a tuner's scripts have started."""

        def started() -> bool:
            names = [child["TrainingJobName"] for child in self.children(name)]
            return sum("started" in self.bench.lines(child) for child in names) == count

        self.poll(started, what=f"{count} scripts of {name}", seconds=60)


def _present(members: Members) -> Members:
    return {name: value for name, value in members.items() if value is not None}


@pytest.fixture(scope="session")
def make_tuners(poll: Any) -> Callable[[Any], TuningBench]:
    """Makes a workbench of one of jobs."""
    return lambda bench: TuningBench(bench, poll)


@pytest.fixture(scope="session")
def tuners(bench: Any, poll: Any) -> TuningBench:
    """The workbench of the shared server."""
    return TuningBench(bench, poll)
