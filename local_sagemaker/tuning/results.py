"""What has become of a tuner's training jobs: read from their descriptions, kept nowhere else."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from local_sagemaker.jobs.runner import RUNNING_STATUSES
from local_sagemaker.jobs.training import TRAINING
from local_sagemaker.tuning.ranges import read_ranges

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from local_sagemaker.store import Document, Position, Store

_KEPT = (
    "TrainingJobName",
    "TrainingJobArn",
    "CreationTime",
    "TrainingStartTime",
    "TrainingEndTime",
    "TrainingJobStatus",
    "FailureReason",
)

_COUNTED = ("Completed", "InProgress", "RetryableError", "NonRetryableError", "Stopped")
_OBJECTIVES = ("Succeeded", "Pending", "Failed")


@dataclass(frozen=True, slots=True)
class Result:
    """One training job of a tuner.

    Attributes:
        job: Its description.
        values: Its tuned hyperparameters.
        objective: What it has reached; None if it runs, or has not told.
    """

    job: Mapping[str, Any]
    values: Mapping[str, str]
    objective: float | None

    @property
    def name(self) -> str:
        """The training job's name."""
        return str(self.job["TrainingJobName"])

    @property
    def status(self) -> str:
        """The training job's status."""
        return str(self.job["TrainingJobStatus"])

    @property
    def runs(self) -> bool:
        """Whether it has not ended."""
        return self.status in RUNNING_STATUSES

    @property
    def counted(self) -> str:
        """Which of the TrainingJobStatusCounters counts it."""
        if self.runs:
            return "InProgress"
        if self.status != "Failed":
            return self.status
        internal = str(self.job.get("FailureReason", "")).startswith("InternalServerError")
        return "RetryableError" if internal else "NonRetryableError"

    @property
    def objective_status(self) -> str:
        """``Pending``, ``Succeeded`` or ``Failed``."""
        if self.runs:
            return "Pending"
        return "Failed" if self.objective is None else "Succeeded"


def results_of(
    store: Store, tuner: Document, *, after: Position | None = None
) -> Iterator[tuple[Position, Result]]:
    """Go through a tuner's training jobs in the order of their numbers.

    Args:
        store: Where they are.
        tuner: The description.
        after: Begin behind this position.
    """
    described: Mapping[str, Any] = tuner
    arn = described["HyperParameterTuningJobArn"]
    ranges = read_ranges(described["HyperParameterTuningJobConfig"]["ParameterRanges"])
    names = [one.name for one in ranges]
    metric = objective_of(described)["MetricName"]
    region = arn.split(":")[3]
    for position, document in store.walk(region, TRAINING.resource, parent=arn, after=after):
        job: Mapping[str, Any] = document
        values = {name: job["HyperParameters"][name] for name in names}
        yield position, Result(job, values, _objective(job, metric))


def objective_of(tuner: Mapping[str, Any]) -> Mapping[str, str]:
    """Return the type and the metric's name of a tuner's objective."""
    objective: Mapping[str, str] = tuner["HyperParameterTuningJobConfig"][
        "HyperParameterTuningJobObjective"
    ]
    return objective


def better(tuner: Mapping[str, Any], first: float, second: float) -> bool:
    """Return whether an objective is at least as good as another."""
    return first >= second if objective_of(tuner)["Type"] == "Maximize" else first <= second


def best_of(tuner: Mapping[str, Any], results: Sequence[Result]) -> Result | None:
    """Return the result with the best objective, the first of equals."""
    sign = -1 if objective_of(tuner)["Type"] == "Maximize" else 1
    told = [result for result in results if result.objective_status == "Succeeded"]
    return min(told, key=lambda result: sign * (result.objective or 0.0), default=None)


def summary(tuner: Mapping[str, Any], result: Result) -> dict[str, object]:
    """Return a HyperParameterTrainingJobSummary."""
    definition = tuner["TrainingJobDefinition"].get("DefinitionName")
    told: dict[str, object] = {
        **({"TrainingJobDefinitionName": definition} if definition else {}),
        **{name: result.job[name] for name in _KEPT if name in result.job},
        "TunedHyperParameters": result.values,
        "ObjectiveStatus": result.objective_status,
    }
    if result.objective is not None and not result.runs:
        told["FinalHyperParameterTuningJobObjectiveMetric"] = {
            **objective_of(tuner),
            "Value": result.objective,
        }
    return told


def progress(tuner: Mapping[str, Any], results: Sequence[Result]) -> dict[str, object]:
    """Return the members of a tuner's description that its training jobs make."""
    statuses = Counter(result.counted for result in results)
    objectives = Counter(result.objective_status for result in results)
    told: dict[str, object] = {
        "TrainingJobStatusCounters": {name: statuses[name] for name in _COUNTED},
        "ObjectiveStatusCounters": {name: objectives[name] for name in _OBJECTIVES},
    }
    if best := best_of(tuner, results):
        told["BestTrainingJob"] = summary(tuner, best)
    return told


def _objective(job: Mapping[str, Any], metric: str) -> float | None:
    if job["TrainingJobStatus"] not in ("Completed", "Stopped"):
        return None
    told = {entry["MetricName"]: entry["Value"] for entry in job.get("FinalMetricDataList", [])}
    value = told.get(metric)
    return value if value is not None and math.isfinite(value) else None
