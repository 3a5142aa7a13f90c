"""What an operator asks about results of earlier steps; every answer is told to the task's log."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from retraining.jobs.reuse.content import NotReusableError, StepContent, content_of
from retraining.jobs.reuse.steps import (
    InputsChangedError,
    Miss,
    OutputsChangedError,
    find_reusable,
    record_step,
    reuse_outputs,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_s3 import S3Client

    from retraining.jobs.kinds import JobType

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StepResults:
    """The results of a pipeline's step, as one request sees them.

    Attributes:
        s3: The client.
        bucket: Where the records lie.
        pipeline: The pipeline.
        step: The task.
        job_type: Processing or training.
        request: The rendered request without a name.
    """

    s3: S3Client
    bucket: str
    pipeline: str
    step: str
    job_type: JobType
    request: Mapping[str, Any]

    def content(self) -> StepContent | None:
        """Return what the result follows from, or None if that cannot be known."""
        try:
            return content_of(self.s3, self.job_type, self.request)
        except NotReusableError as error:
            log.info("the result of %s cannot be reused: %s", self.step, error)
            return None

    def of_equal_step(self, content: StepContent) -> dict[str, str] | None:
        """Copy the outputs of an earlier equal step to this request's, and return its result."""
        found = find_reusable(
            self.s3, self.bucket, pipeline=self.pipeline, step=self.step, content=content
        )
        if isinstance(found, Miss):
            log.info("%s must run: %s", self.step, found)
            return None
        try:
            result = reuse_outputs(self.s3, found, job_type=self.job_type, request=self.request)
        except OutputsChangedError as error:
            log.info("%s must run: %s", self.step, error)
            return None
        log.info("nothing has changed since %s: its outputs were copied", found.job_name)
        return result

    def record(self, described: Mapping[str, Any], *, key: str) -> None:
        """Let later steps find a completed job's result; a job that cannot be recorded is good."""
        try:
            record_step(
                self.s3,
                self.bucket,
                pipeline=self.pipeline,
                step=self.step,
                job_type=self.job_type,
                request=self.request,
                described=described,
                key=key,
            )
        except (ClientError, InputsChangedError, NotReusableError, OutputsChangedError) as error:
            log.warning("the result of %s was not recorded for reuse: %s", self.step, error)
