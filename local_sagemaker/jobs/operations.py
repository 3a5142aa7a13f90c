"""Create, Describe, List and Stop, for jobs of all kinds alike."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from local_sagemaker.errors import RequestInvalidError, ServiceError
from local_sagemaker.jobs.runner import RUNNING_STATUSES
from local_sagemaker.listing import list_page
from local_sagemaker.requests import arn
from local_sagemaker.tags import drop_tags, put_tags
from local_sagemaker.validation import service_model

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local_sagemaker.emulator import Emulator
    from local_sagemaker.jobs.plan import JobKind
    from local_sagemaker.requests import Request
    from local_sagemaker.store import Document, Store


def create_job(
    emulator: Emulator,
    request: Request,
    *,
    kind: JobKind,
    more: Mapping[str, object] | None = None,
) -> dict[str, object]:
    """Answer CreateTrainingJob and its like; the job runs on when this returns.

    Args:
        emulator: What it works on.
        request: The caller's.
        kind: Of the job.
        more: Members of the description that no caller can ask for.
    """
    members: Any = request.members
    kind.check(members)
    _check_experiment(members.get("ExperimentConfig", {}))
    name = request.text(kind.member("JobName"))
    job_arn = arn(request.region, kind.resource, name=name)
    store = emulator.store
    with store.transaction():
        if store.get(request.region, kind.resource, name=name.lower()):
            raise ServiceError("ResourceInUse", f"{kind.name_taken} ({job_arn}).")
        _check_quota(kind, emulator, members)
        now = time.time()
        job = {
            **kind.describe(members),
            kind.member("JobArn"): job_arn,
            kind.member("JobStatus"): "InProgress",
            "CreationTime": now,
            "LastModifiedTime": now,
            **kind.create(now),
            **(more or {}),
        }
        plan = kind.plan(emulator, job)
        put_tags(store, job_arn, tags=members.get("Tags", []))
        store.put(request.region, kind.resource, name=name.lower(), document=job)
    emulator.runner.start(plan)
    return {kind.member("JobArn"): job_arn}


def describe_job(emulator: Emulator, request: Request, *, kind: JobKind) -> dict[str, object]:
    """Answer DescribeTrainingJob and its like, with what the model has of the description."""
    job = _find(emulator, request, kind=kind)
    shape = service_model().operation_model(request.operation).output_shape
    told = {**job, **kind.passing(job, time.time())}
    return {name: value for name, value in told.items() if shape and name in shape.members}


def list_jobs(emulator: Emulator, request: Request, *, kind: JobKind) -> dict[str, object]:
    """Answer ListTrainingJobs and its like."""
    return list_page(kind.listing, emulator.store, kind=kind.resource, request=request)


def stop_job(emulator: Emulator, request: Request, *, kind: JobKind) -> dict[str, object]:
    """Answer StopTrainingJob and its like; the job is Stopping when this returns."""
    job = _find(emulator, request, kind=kind)
    name = str(job[kind.member("JobName")])
    if not emulator.runner.mark_stopping(request.region, kind, name=name):
        status = _find(emulator, request, kind=kind)[kind.member("JobStatus")]
        if status != "Stopping":
            raise RequestInvalidError(
                f"The request was rejected because the {kind.noun} job is in status {status}."
            )
    emulator.runner.stop(str(job[kind.member("JobArn")]))
    return {}


def delete_job(emulator: Emulator, request: Request, *, kind: JobKind) -> dict[str, object]:
    """Answer DeleteTrainingJob and its like; the name is free when this returns.

    Raises:
        ServiceError: ResourceNotFound; ResourceInUse, the job has not ended, retains a warm pool,
            or is of a tuner that has not ended.
    """
    name = request.text(kind.member("JobName"))
    store = emulator.store
    with store.transaction():
        job: Any = store.get(request.region, kind.resource, name=name.lower())
        if job is None:
            raise ServiceError("ResourceNotFound", "Requested resource not found.")
        if use := _in_use(store, job, kind=kind):
            raise ServiceError(
                "ResourceInUse", f"The {kind.noun} job {name} cannot be deleted: {use}."
            )
        store.delete(request.region, kind.resource, name=name.lower())
        drop_tags(store, job[kind.member("JobArn")])
    return {}


def resume_jobs(emulator: Emulator) -> None:
    """Go on with the jobs that the last server's end has interrupted, of kinds that can."""
    for kind in emulator.kinds:
        running = emulator.store.in_status(kind.resource, *RUNNING_STATUSES)
        for region, name in running if kind.resumes else []:
            job = emulator.store.get(region, kind.resource, name=name)
            assert job is not None  # noqa: S101 -- no job is deleted while it runs
            try:
                plan = kind.plan(emulator, job)
            except ServiceError as error:  # such as an image's environment that is no longer there
                emulator.runner.fail(
                    region, kind, name=name, reason=f"ClientError: {error.message}"
                )
                continue
            emulator.runner.start(plan, stop=job[kind.member("JobStatus")] == "Stopping")


def _find(emulator: Emulator, request: Request, *, kind: JobKind) -> Document:
    name = request.text(kind.member("JobName"))
    job = emulator.store.get(request.region, kind.resource, name=name.lower())
    if job is None:
        raise RequestInvalidError("Requested resource not found.")
    return job


def _in_use(store: Store, job: Mapping[str, Any], *, kind: JobKind) -> str:
    status = job[kind.member("JobStatus")]
    if status in RUNNING_STATUSES:
        return f"it is in status {status}"
    pool = kind.passing(job, time.time()).get("WarmPoolStatus")
    if isinstance(pool, dict) and pool["Status"] == "Available":
        return "it retains a warm pool that is Available"
    if tuner_arn := job.get("TuningJobArn"):
        *_, region, _, resource = tuner_arn.split(":")
        tuner_kind, _, tuner = resource.partition("/")
        held = store.get(region, tuner_kind, name=tuner)
        if held and held["HyperParameterTuningJobStatus"] in RUNNING_STATUSES:
            return f"its hyperparameter tuning job {tuner} has not ended"
    return ""


def _check_experiment(config: Mapping[str, str]) -> None:
    for member, noun in (("ExperimentName", "Experiment"), ("TrialName", "Trial")):
        if member in config:
            # None can be made here, so none exists.
            raise ServiceError("ResourceNotFound", f"{noun} {config[member]} does not exist.")


def _check_quota(kind: JobKind, emulator: Emulator, members: Mapping[str, Any]) -> None:
    running = sum(
        counted.instance_count(job)
        for counted in emulator.kinds
        for region, name in emulator.store.in_status(counted.resource, *RUNNING_STATUSES)
        if (job := emulator.store.get(region, counted.resource, name=name))
    )
    asked = kind.instance_count(members)
    if running + asked > emulator.max_jobs:
        raise ServiceError(
            "ResourceLimitExceeded",
            f"The account-level service limit '{kind.instance_type(members)} for {kind.noun} job"
            f" usage' is {emulator.max_jobs} Instances, with current utilization of {running}"
            f" Instances and a request delta of {asked} Instances. Please use AWS Service Quotas to"
            " request an increase for this quota. (Here: --max-jobs.)",
        )
