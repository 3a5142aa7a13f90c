"""How long a run's jobs took and what that costs, as SageMaker describes them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from retraining.aws.console import named
from retraining.jobs.kinds import ENDED, JobType
from retraining.web import aws_reads
from retraining.web.recent import Recent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Job:
    """A processing or training job.

    Attributes:
        name: Its name.
        kind: ``Processing`` or ``Training``.
        status: Its status.
        seconds: From the start of its instances to their end, what is paid for; None if unknown.
        instance_type: Of its instances.
        instances: How many.
    """

    name: str
    kind: str
    status: str
    seconds: float | None
    instance_type: str
    instances: int

    def cost(self, prices: Mapping[str, float]) -> float | None:
        """Return the estimated cost in US dollars; None if seconds or price are unknown."""
        price = prices.get(self.instance_type)
        if price is None or self.seconds is None:
            return None
        return self.seconds * self.instances * price / 3600


# An ended job never changes; SageMaker limits how often it describes one.
_ENDED: Recent[Job] = Recent(3_600.0, 5_000)


def read(arns: Sequence[str], *, seconds: float) -> tuple[dict[str, Job], list[str]]:
    """Describe jobs.

    Args:
        arns: Of the jobs.
        seconds: How long to wait for SageMaker in all.

    Returns:
        The jobs that exist by ARN, and sentences about what could not be read.
    """
    until = time.monotonic() + seconds
    named_arns = [arn for arn in dict.fromkeys(arns) if named(arn)]
    # Before anything is asked, so that what is known is shown while SageMaker is down.
    jobs = {arn: job for arn in named_arns if (job := _ENDED.kept(arn)) is not None}
    wanted = [arn for arn in named_arns if arn not in jobs]
    found = aws_reads.gather(
        "sagemaker",
        [lambda client, arn=arn: _recent(client, arn, until) for arn in wanted],  # type: ignore[misc]
        seconds=seconds,
    )
    jobs |= {arn: job for arn, job in zip(wanted, found, strict=True) if isinstance(job, Job)}
    return jobs, aws_reads.notices(found, about="jobs")


def job_of(described: Mapping[str, Any], kind: str) -> Job:
    """Make a job of what SageMaker describes."""
    job_type = JobType(kind)
    start = described.get(f"{kind}StartTime")
    end = described.get(f"{kind}EndTime")
    took = (end - start).total_seconds() if start and end else None
    resources = (
        described.get("ResourceConfig")
        or described.get("ProcessingResources", {}).get("ClusterConfig")
        or {}
    )
    return Job(
        name=described[job_type.name_member],
        kind=kind,
        status=job_type.status(described),
        seconds=described.get("BillableTimeInSeconds", took),
        instance_type=resources.get("InstanceType", ""),
        instances=resources.get("InstanceCount", 1),
    )


def _recent(client: Any, arn: str, until: float) -> Job | None:
    if time.monotonic() > until:
        raise aws_reads.UnavailableError("SageMaker was too slow")
    kind, name = named(arn) or ("", "")

    described = JobType(kind).describe(client, name)
    if described is None:
        return None
    job = job_of(described, kind)
    if job.status in ENDED:
        _ENDED.keep(arn, job)
    return job
