"""Hyperparameter tuning jobs: from CreateHyperParameterTuningJob's request to a search."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from local_sagemaker.errors import RequestInvalidError
from local_sagemaker.images import find_environment
from local_sagemaker.jobs.plan import JobKind, Outcome, Phase
from local_sagemaker.jobs.training import TRAINING
from local_sagemaker.listing import Listing, in_order, page_of
from local_sagemaker.tuning.children import TUNING_RESOURCES, training_members
from local_sagemaker.tuning.ranges import Choices, read_ranges
from local_sagemaker.tuning.results import objective_of, progress, results_of, summary
from local_sagemaker.tuning.running import TuningPlan, run
from local_sagemaker.tuning.search import Search, combinations

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from local_sagemaker.access.grants import Objects
    from local_sagemaker.emulator import Emulator
    from local_sagemaker.images import Image
    from local_sagemaker.requests import Request
    from local_sagemaker.store import Document, Position
    from local_sagemaker.tuning.ranges import Range

_NO_METRIC = (
    "A metric is required for this hyperparameter tuning job objective. Provide a metric in the"
    " metric definitions."
)


def _check(request: Mapping[str, Any]) -> None:
    config = request["HyperParameterTuningJobConfig"]
    if "TrainingJobDefinition" not in request:
        raise RequestInvalidError("TrainingJobDefinition is missing.")
    if "HyperParameterTuningJobObjective" not in config:
        raise RequestInvalidError(
            "HyperParameterTuningJobConfig.HyperParameterTuningJobObjective is missing."
        )
    ranges = read_ranges(config.get("ParameterRanges", {}))
    definition = request["TrainingJobDefinition"]
    if "ResourceConfig" in definition and TUNING_RESOURCES in definition:
        raise RequestInvalidError(f"Provide either ResourceConfig or {TUNING_RESOURCES}.")
    static = definition.get("StaticHyperParameters", {})
    if both := sorted({one.name for one in ranges} & set(static)):
        raise RequestInvalidError(f"Hyperparameters cannot be both tuned and static: {both}.")
    _check_limits(config, ranges)
    TRAINING.check(training_members(request, {}))


def _check_limits(config: Mapping[str, Any], ranges: tuple[Range, ...]) -> None:
    most = config["ResourceLimits"].get("MaxNumberOfTrainingJobs")
    if config["Strategy"] != "Grid":
        if most is None:
            raise RequestInvalidError("ResourceLimits.MaxNumberOfTrainingJobs is missing.")
        return
    if others := [one.name for one in ranges if not isinstance(one, Choices)]:
        raise RequestInvalidError(
            f"Strategy Grid takes categorical ranges only, which {others} are not."
        )
    count = combinations(ranges)
    if most not in (None, count):
        raise RequestInvalidError(
            f"Strategy Grid: ResourceLimits.MaxNumberOfTrainingJobs is {most}, and there are"
            f" {count} combinations; leave it out, or give that number."
        )


def _describe(request: Mapping[str, Any]) -> dict[str, object]:
    config = {"TrainingJobEarlyStoppingType": "Off", **request["HyperParameterTuningJobConfig"]}
    if config["Strategy"] == "Grid":
        count = combinations(read_ranges(config["ParameterRanges"]))
        limits = {"MaxNumberOfTrainingJobs": count, **config["ResourceLimits"]}
        config["ResourceLimits"] = limits
    return {
        **{key: value for key, value in request.items() if key != "Tags"},
        "HyperParameterTuningJobConfig": config,
        # For its summary.
        "Strategy": config["Strategy"],
        "ResourceLimits": config["ResourceLimits"],
        **progress(request, []),
    }


def _plan(emulator: Emulator, job: Document) -> TuningPlan:
    described: Mapping[str, Any] = job
    config = described["HyperParameterTuningJobConfig"]
    algorithm = described["TrainingJobDefinition"]["AlgorithmSpecification"]
    environment = find_environment(algorithm["TrainingImage"], emulator.images)
    objective = objective_of(described)
    _check_metric(objective["MetricName"], algorithm, environment.image)
    arn = described["HyperParameterTuningJobArn"]
    name = described["HyperParameterTuningJobName"]
    criteria = config.get("TuningJobCompletionCriteria", {})
    return TuningPlan(
        kind=TUNING,
        region=arn.split(":")[3],
        name=name,
        arn=arn,
        emulator=emulator,
        job=described,
        search=Search(
            config["Strategy"],
            read_ranges(config["ParameterRanges"]),
            maximize=objective["Type"] == "Maximize",
            # Without one, the same for all of this tuner's life, and for no other tuner.
            seed=str(config.get("RandomSeed", f"{arn}/{described['CreationTime']}")),
        ),
        most=config["ResourceLimits"]["MaxNumberOfTrainingJobs"],
        parallel=config["ResourceLimits"]["MaxParallelTrainingJobs"],
        target=criteria.get("TargetObjectiveMetricValue"),
    )


def _check_metric(name: str, algorithm: Mapping[str, Any], image: Image) -> None:
    if any(entry["Name"] == name for entry in algorithm.get("MetricDefinitions", [])):
        return
    part, _, metric = name.partition(":")
    if not (image.metric and re.fullmatch(image.metric, f"#011{part}-{metric}:0")):
        raise RequestInvalidError(_NO_METRIC)


def _conclude(job: Document, _status: str, *, now: float, **_: object) -> dict[str, object]:
    return {
        "HyperParameterTuningEndTime": now,
        "ConsumedResources": {"RuntimeInSeconds": round(now - float(str(job["CreationTime"])))},
    }


def _begin(_job: Document, _phase: Phase, *, now: float) -> dict[str, object]:  # noqa: ARG001 -- its name
    return {}


def _deliver(_job: Document, _outcome: Outcome, *, s3: Objects) -> dict[str, object]:  # noqa: ARG001 -- its name
    return {}


def list_tuned_jobs(emulator: Emulator, request: Request) -> dict[str, object]:
    """Answer ListTrainingJobsForHyperParameterTuningJob."""
    name = request.text("HyperParameterTuningJobName")
    tuner = emulator.store.get(request.region, TUNING.resource, name=name.lower())
    if tuner is None:
        raise RequestInvalidError("Requested resource not found.")
    asked = request.members
    order = str(asked.get("SortBy", "Name"))
    descending = asked.get("SortOrder") == "Descending"

    def walk(after: Position | None) -> Iterator[tuple[Position, dict[str, object]]]:
        entries = []
        for _, result in results_of(emulator.store, tuner):
            value = {
                "Name": result.name,
                "CreationTime": result.job["CreationTime"],
                "Status": result.status,
                "FinalObjectiveMetricValue": result.objective,
            }[order]
            if asked.get("StatusEquals") in (None, result.status) and value is not None:
                entries.append(((value, result.name), result))
        for position, result in in_order(entries, after, descending=descending):
            yield position, summary(tuner, result)

    return page_of(walk, answer="TrainingJobSummaries", request=request)


TUNING = JobKind(
    noun="hyper-parameter-tuning",
    prefix="HyperParameterTuning",
    log_group="",
    name_taken=(
        "Hyperparameter tuning job names must be unique within an AWS account and region, and a"
        " hyperparameter tuning job with this name already exists"
    ),
    listing=Listing(
        answer="HyperParameterTuningJobSummaries",
        name=lambda job: str(job["HyperParameterTuningJobName"]),
        default_order="Ascending",
        default_sort="Name",
        members=(
            "HyperParameterTuningJobName",
            "HyperParameterTuningJobArn",
            "HyperParameterTuningJobStatus",
            "Strategy",
            "CreationTime",
            "HyperParameterTuningEndTime",
            "LastModifiedTime",
            "TrainingJobStatusCounters",
            "ObjectiveStatusCounters",
            "ResourceLimits",
        ),
    ),
    check=_check,
    describe=_describe,
    plan=_plan,
    run=run,
    instance_type=lambda _request: "",
    instance_count=lambda _request: 0,  # those of its training jobs are counted
    create=lambda _now: {},
    begin=_begin,
    stopping=lambda _job, _now: {},
    failure=lambda _outcome: "",
    deliver=_deliver,
    conclude=_conclude,
    passing=lambda _job, _now: {},
    resumes=True,
)
