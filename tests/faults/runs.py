"""DAG runs with a snapshot, thus orders, of their own; and what came of them."""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from retraining import naming
from retraining.runs import snapshots

from local_stack.samples.pipelines import CALIFORNIA_HOUSING
from local_stack.services import environment
from tests.faults.stack import Stack, poll

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.proxy import Rule

OURS = "california_housing_retraining"
PLAIN = "plain_operators"
STEPS = ("preprocess", "train", "evaluate")
_RUNNING = frozenset({"InProgress", "Stopping"})
_TRIGGERED = re.compile(r"trigger .* starting")
_days = itertools.count()


@dataclass(slots=True)
class Run:
    """A DAG run.

    Attributes:
        stack: Where.
        dag_id: Of what.
        snapshot: The date that tells its calls from all others; by default one of its own.
        folder: For gates and markers.
        orders: ``(step, order, argument)`` for the scripts.
        rules: What the proxy does to the calls of a step.
    """

    stack: Stack
    folder: Path
    dag_id: str = OURS
    orders: list[tuple[str, str, str]] = field(default_factory=list)
    rules: dict[str, list[Rule]] = field(default_factory=dict)
    snapshot: str = ""

    def __post_init__(self) -> None:
        self.snapshot = (
            self.snapshot or (date(2001, 1, 1) + timedelta(days=next(_days))).isoformat()
        )

    @property
    def run_id(self) -> str:
        """Its id in Airflow."""
        return f"manual__{self.snapshot}"

    def add(self, step: str, rule: Rule) -> None:
        """Let the proxy apply a rule to a step's calls."""
        self.rules.setdefault(step, []).append(rule)
        self.stack.proxy.add(rule)

    def hold(self, step: str) -> None:
        """Let a step's job run on until ``release``."""
        self.orders.append((step, "hold", str(self._gate(step))))

    def release(self, step: str) -> None:
        """Let a held job end."""
        self._gate(step).touch()

    def fail(self, step: str, words: str) -> None:
        """Let a step's job fail."""
        self.orders.append((step, "fail", words))

    def fail_once(self, step: str) -> str:
        """Let a step's first job fail; return the words that it fails with."""
        marker = self.folder / f"{self.snapshot}-{step}-failed"
        self.orders.append((step, "fail-once", str(marker)))
        return f"{marker.name} for the first time"

    def report(self, text: str) -> None:
        """Let the evaluation write this report; none if it is empty."""
        self.orders.append(("evaluate", "report", text))

    def start(self) -> None:
        """Land the snapshot and start the run."""
        self.land()
        self.stack.airflow.start(self.dag_id, self.run_id, {"snapshot": self.snapshot})

    def land(self) -> None:
        """Land the snapshot, with the orders for the scripts."""
        text = io.StringIO()
        csv.writer(text).writerows(self.orders or [("nothing", "", "")])
        uri = naming.snapshot_uri(environment.BUCKET, CALIFORNIA_HOUSING.name, self.snapshot)
        bucket, prefix = naming.split_s3_uri(uri)
        body = text.getvalue().encode()
        for name, content in (("orders.csv", body), (snapshots.MARKER, b"")):
            self.stack.client("s3").put_object(Bucket=bucket, Key=f"{prefix}{name}", Body=content)

    def state(self) -> str:
        """Return its state."""
        return self.stack.airflow.state(self.dag_id, self.run_id)

    def tasks(self) -> dict[str, dict[str, Any]]:
        """Return its task instances."""
        return self.stack.airflow.tasks(self.dag_id, self.run_id)

    def task_state(self, step: str) -> str:
        """Return a task's state."""
        return str(self.tasks()[step]["state"])

    def log(self, step: str) -> str:
        """Return a task's log, all attempts one after the other."""
        attempts = range(1, int(self.tasks()[step]["try_number"]) + 1)
        return "\n".join(
            self.stack.airflow.log(self.dag_id, self.run_id, task_id=step, attempt=attempt)
            for attempt in attempts
        )

    def wait_deferred(self, step: str) -> None:
        """Wait until a task waits for its job, and the triggerer knows."""
        what = f"{self.dag_id} {self.run_id}: {step} waits"
        poll(lambda: self.is_deferred(step), what=what)

    def is_deferred(self, step: str) -> bool:
        """Tell whether a task waits for its job, and the triggerer knows."""
        is_waiting = self.tasks().get(step, {}).get("state") == "deferred"
        return is_waiting and _TRIGGERED.search(self.log(step)) is not None

    def wait_ended(self, seconds: float = 240.0) -> str:
        """Wait for its end; return its state."""
        poll(
            lambda: self.state() in {"success", "failed"},
            what=f"the end of {self.run_id}",
            seconds=seconds,
        )
        return self.state()

    def job_names(self, step: str) -> list[str]:
        """Return the names of a step's jobs so far."""
        return self.stack.proxy.reader.names(self.snapshot, step)

    def stop_jobs(self, step: str) -> None:
        """Stop a step's jobs behind Airflow's back."""
        for name in self.job_names(step):
            if step == "train":
                self.stack.client("sagemaker").stop_training_job(TrainingJobName=name)
            else:
                self.stack.client("sagemaker").stop_processing_job(ProcessingJobName=name)

    def has_ended(self, step: str) -> bool:
        """Tell whether a step has had a job, and its first has ended."""
        client = self.stack.client("sagemaker")
        for name in self.job_names(step)[:1]:
            if step == "train":
                status = client.describe_training_job(TrainingJobName=name)["TrainingJobStatus"]
            else:
                described = client.describe_processing_job(ProcessingJobName=name)
                status = described["ProcessingJobStatus"]
            return status not in _RUNNING
        return False

    def jobs(self) -> dict[str, list[str]]:
        """Return the statuses of its jobs by step, the oldest first."""
        return jobs_by_run(self.stack).get(self.snapshot, {})

    def _gate(self, step: str) -> Path:
        return self.folder / f"{self.snapshot}-{step}-open"


def jobs_by_run(stack: Stack) -> dict[str, dict[str, list[str]]]:
    """Return the statuses of all jobs, by run and step, the oldest first."""
    client = stack.client("sagemaker")
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for kind in ("Processing", "Training"):
        pages = client.get_paginator(f"list_{kind.lower()}_jobs").paginate(
            SortBy="CreationTime", SortOrder="Ascending", MaxResults=100
        )
        for page in pages:
            for job in page[f"{kind}JobSummaries"]:
                run, step = stack.proxy.reader.job(job[f"{kind}JobName"])
                found[run][step].append(job[f"{kind}JobStatus"])
    return {run: dict(steps) for run, steps in found.items()}


def versions_by_run(stack: Stack) -> Counter[str]:
    """Return how many model versions each run has registered, in whatever group."""
    client = stack.client("sagemaker")
    count: Counter[str] = Counter()
    for group in client.list_model_package_groups()["ModelPackageGroupSummaryList"]:
        pages = client.get_paginator("list_model_packages").paginate(
            ModelPackageGroupName=group["ModelPackageGroupName"], MaxResults=100
        )
        for page in pages:
            for item in page["ModelPackageSummaryList"]:
                described = client.describe_model_package(ModelPackageName=item["ModelPackageArn"])
                container = described["InferenceSpecification"]["Containers"][0]
                found = re.search(r"/runs/([0-9-]+)/", container["ModelDataUrl"])
                count[found[1] if found else ""] += 1
    return count
