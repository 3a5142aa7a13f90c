"""What a transform job is made of: the values between a request and its invocations."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from local_sagemaker.endpoints.deployment import new_instance

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local_sagemaker.images import Images
    from local_sagemaker.jobs.plan import Download, JobKind
    from local_sagemaker.s3_places import Bucketed
    from local_sagemaker.transform.records import Records

LOG_GROUP = "/aws/sagemaker/TransformJobs"
# Of all invocations at one time; none is reckoned with less than one.
MOST_MEGABYTES = 100
# As requests write them, and as containers do.
STRATEGIES = {"SingleRecord": "SINGLE_RECORD", "MultiRecord": "MULTI_RECORD"}


@dataclass(frozen=True, slots=True)
class Limits:
    """What the request says of its invocations; None where it says nothing.

    Attributes:
        concurrent: How many at once.
        megabytes: Of a request's body; 0 for any number.
        strategy: ``SingleRecord`` or ``MultiRecord``.
    """

    concurrent: int | None
    megabytes: int | None
    strategy: str | None


@dataclass(frozen=True, slots=True)
class TransformPlan:
    """Everything that is needed to run one transform job.

    Attributes:
        kind: Transform jobs'.
        region: Where it was created.
        name: Its name.
        arn: Its ARN.
        role: The model's, for messages.
        container: See `Deployment`.
        images: What stands for images.
        startup: Seconds from the container's start to its first good ping.
        source: The objects to transform.
        gzip: They are compressed.
        target: The results go below it.
        headers: Of each invocation.
        limits: See `Limits`.
        records: How objects are cut, and results put together.
        seconds: For an invocation.
        retries: Of an invocation that failed.
    """

    kind: JobKind
    region: str
    name: str
    arn: str
    role: str
    container: Mapping[str, Any]
    images: Images
    startup: float
    source: Download
    gzip: bool
    target: Bucketed
    headers: Mapping[str, str]
    limits: Limits
    records: Records
    seconds: float
    retries: int

    @property
    def serverless(self) -> None:
        """A transform job has instances."""

    @property
    def log_group(self) -> str:
        """Where CloudWatch Logs has the container's output."""
        return LOG_GROUP

    @property
    def unhealthy(self) -> str:
        """The job's FailureReason if the container does not answer a ping."""
        return (
            "AlgorithmError: The primary container did not pass the ping health check. Please check"
            " CloudWatch logs for this transform job."
        )

    def new_stream(self) -> str:
        """Name a log stream for a new container."""
        return f"{self.name}/{new_instance()}-{int(time.time())}"
