"""What jobs of every kind have in common, whichever verbs and members name it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from retraining import naming
from retraining.aws.errors import is_missing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from mypy_boto3_sagemaker import SageMakerClient

ENDED = frozenset({"Completed", "Failed", "Stopped"})
_SHORT_NAMES = {"HyperParameterTuning": 32}
_DAY = timedelta(days=1)
# How long the service lets jobs run whose request cannot say it: its quotas.
_LONGEST = {"HyperParameterTuningJobName": 30 * _DAY, "TransformJobName": 5 * _DAY}


@dataclass(frozen=True, slots=True)
class JobType:
    """How the SageMaker API spells one type of job.

    Attributes:
        kind: As the API's members begin: ``Processing``, ``Training``, ``Transform``,
            ``HyperParameterTuning``; the rest is derived from it.
    """

    kind: str

    @property
    def name_member(self) -> str:
        """The request member with the job's name."""
        return f"{self.kind}JobName"

    @property
    def longest_name(self) -> int:
        """How many characters a job's name may have."""
        return _SHORT_NAMES.get(self.kind, naming.JOB_NAME_LENGTH)

    @property
    def log_group(self) -> str:
        """The CloudWatch log group of these jobs."""
        return f"/aws/sagemaker/{self.kind}Jobs"

    def create(self, client: SageMakerClient, request: Mapping[str, Any]) -> None:
        """Create a job."""
        self._call(client, "create", **request)

    def describe(self, client: SageMakerClient, name: str) -> Mapping[str, Any] | None:
        """Describe a job; None if there is no such job."""
        try:
            return self._call(client, "describe", **{self.name_member: name})
        except ClientError as error:
            # A computed name is never malformed.
            if is_missing(error):
                return None
            raise

    def changed_since(
        self, client: SageMakerClient, since: datetime, *, name_contains: str
    ) -> tuple[datetime, Mapping[str, str]]:
        """Return the service's time, and the status of each job that changed since a time.

        Args:
            client: The client.
            since: Of the last change of a job, by the service's clock.
            name_contains: A part of the names, or "".
        """
        filters = {"NameContains": name_contains} if name_contains else {}
        pages = list(self._pages(client, LastModifiedTimeAfter=since, **filters))
        statuses = {
            summary[self.name_member]: self.status(summary)
            for page in pages
            for summary in page[self._summaries]
        }
        return parsedate_to_datetime(pages[0]["ResponseMetadata"]["HTTPHeaders"]["date"]), statuses

    def running(self, client: SageMakerClient) -> Iterator[Mapping[str, Any]]:
        """Yield the summaries of all jobs of the account and region that run, newest first."""
        for page in self._pages(
            client, StatusEquals="InProgress", SortBy="CreationTime", SortOrder="Descending"
        ):
            yield from page[self._summaries]

    def created_since(
        self, client: SageMakerClient, since: datetime, *, name_contains: str
    ) -> Iterator[Mapping[str, Any]]:
        """Yield the summaries of jobs that were created since a time, newest first."""
        for page in self._pages(
            client,
            CreationTimeAfter=since,
            NameContains=name_contains,
            SortBy="CreationTime",
            SortOrder="Descending",
        ):
            yield from page[self._summaries]

    @property
    def _noun(self) -> str:
        return re.sub(r"(?<!^)(?=[A-Z])", "_", self.kind).lower()

    @property
    def _summaries(self) -> str:
        return f"{self.kind}JobSummaries"

    def _pages(self, client: SageMakerClient, **filters: Any) -> Iterator[Mapping[str, Any]]:
        operation: Any = f"list_{self._noun}_jobs"
        pages: Any = client.get_paginator(operation).paginate(MaxResults=100, **filters)
        return iter(pages)

    def stop(self, client: SageMakerClient, name: str) -> None:
        """Ask for a job's end."""
        self._call(client, "stop", **{self.name_member: name})

    def status(self, described: Mapping[str, Any]) -> str:
        """Return InProgress, Stopping, or one of ``ENDED``."""
        return str(described[f"{self.kind}JobStatus"])

    def arn(self, described: Mapping[str, Any]) -> str:
        """Return the job's ARN."""
        return str(described[f"{self.kind}JobArn"])

    def _call(self, client: SageMakerClient, verb: str, **request: Any) -> Mapping[str, Any]:
        call: Callable[..., Mapping[str, Any]] = getattr(client, f"{verb}_{self._noun}_job")
        return call(**request)


PROCESSING, TRAINING = JobType("Processing"), JobType("Training")
TRANSFORM, TUNING = JobType("Transform"), JobType("HyperParameterTuning")
# What this library's operators create.
CREATED = (PROCESSING, TRAINING, TRANSFORM, TUNING)


def reason(job_type: JobType, described: Mapping[str, Any]) -> str:
    """Say why a job did not complete, in the words of the service and of the script."""
    parts = [described.get("ExitMessage"), described.get("FailureReason")]
    if _was_out_of_time(job_type, described):
        limit = run_time_limit(described).total_seconds()
        parts.append(f"it ran longer than its limit of {limit:.0f} s")
    said = " | ".join(part.strip() for part in parts if part)
    if not said and job_type.status(described) == "Stopped":
        return "somebody stopped it, in the console or with a Stop call"
    return said or "the service gives no reason"


def _was_out_of_time(job_type: JobType, described: Mapping[str, Any]) -> bool:
    if described.get("SecondaryStatus") == "MaxRuntimeExceeded":
        return True
    if "SecondaryStatus" in described or job_type.status(described) != "Stopped":
        return False
    # Of a job without a secondary status the service only says that it was stopped.
    start, end = (described.get(f"{job_type.kind}{edge}Time") for edge in ("Start", "End"))
    return bool(start and end and end - start >= run_time_limit(described))


def run_time_limit(described: Mapping[str, Any]) -> timedelta:
    """Return how long the service lets a job run.

    As the request said; else a day, 5 days for a transform job and 30 for tuning.
    """
    config = described.get("HyperParameterTuningJobConfig", {})
    for told in (described.get("StoppingCondition", {}), config.get("ResourceLimits", {})):
        if "MaxRuntimeInSeconds" in told:
            return timedelta(seconds=told["MaxRuntimeInSeconds"])
    return next((limit for member, limit in _LONGEST.items() if member in described), _DAY)
