"""Jobs that nobody waits for any more, though they still run and cost money.

That happens when a person ends a task while no triggerer is there to stop its job.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from retraining import naming
from retraining.jobs.kinds import CREATED, TRAINING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from mypy_boto3_sagemaker import SageMakerClient

    from retraining.jobs.kinds import JobType

_OWNER = ("dag_id", "run_id", "task_id", "map_index")


@dataclass(frozen=True, slots=True)
class RunningJob:
    """A running job of this deployment.

    Attributes:
        job_type: Its type.
        name: Its name.
        owner: ``dag_id``, ``run_id``, ``task_id`` and ``map_index`` of its task, from its tags.
    """

    job_type: JobType
    name: str
    owner: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Orphan:
    """A running job that nobody waits for, and why that is so."""

    job: RunningJob
    reason: str


def running_jobs(client: SageMakerClient, *, deployment: str) -> Iterator[RunningJob]:
    """Yield the running jobs with this deployment's tags, newest first; others are not looked at.

    Args:
        client: The client.
        deployment: The bucket, which no two deployments share.
    """
    for job_type in CREATED:
        for summary in job_type.running(client):
            tags = {
                tag["Key"]: tag["Value"]
                for page in client.get_paginator("list_tags").paginate(
                    ResourceArn=job_type.arn(summary)
                )
                for tag in page["Tags"]
            }
            keys = [naming.tag_key(what) for what in _OWNER]
            if tags.get(naming.tag_key("deployment")) == deployment and tags.keys() >= set(keys):
                owner = {what: tags[key] for what, key in zip(_OWNER, keys, strict=True)}
                job = RunningJob(job_type, summary[job_type.name_member], owner)
                if not _is_a_tuners(client, job):
                    yield job


def _is_a_tuners(client: SageMakerClient, job: RunningJob) -> bool:
    """Tell whether it is of a tuning job, which hands its tags on and waits for it itself."""
    if job.job_type is not TRAINING:
        return False
    return "TuningJobArn" in (job.job_type.describe(client, job.name) or {})


def orphans(
    jobs: Iterator[RunningJob], task_state: Callable[[Mapping[str, str]], str | None]
) -> Iterator[Orphan]:
    """Yield the jobs that nobody waits for.

    Args:
        jobs: From ``running_jobs``.
        task_state: Says how the task of an owner stands: None while it may wait for its job, else
            why it does not.
    """
    waited_for: set[tuple[Any, ...]] = set()
    for job in jobs:
        owner = tuple(job.owner.items())
        if reason := task_state(job.owner):
            yield Orphan(job, reason)
        elif owner in waited_for:
            yield Orphan(job, "its task was cleared and waits for a newer job")
        waited_for.add(owner)
