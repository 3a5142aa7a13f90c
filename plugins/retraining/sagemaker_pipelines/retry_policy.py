"""A step's retry policies, as Airflow asks about them.

What no policy of a step is about is decided as for all tasks of this library.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk.definitions.retry_policy import RetryDecision
from botocore.exceptions import ClientError

from retraining.aws.errors import code_of
from retraining.retries import JobInterruptedError, PassingFailuresPolicy, passing_failure

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retraining.sagemaker_pipelines.definition import RetryPolicy

# The first words of a job's FailureReason.
_OF_JOBS: Mapping[str, str] = {
    "CapacityError": "SageMaker.CAPACITY_ERROR",
    "InternalServerError": "SageMaker.JOB_INTERNAL_ERROR",
    "ResourceLimitExceeded": "SageMaker.RESOURCE_LIMIT",
}
_SERVER_ERROR = 500
_LONGEST = timedelta(days=1)


class StepRetryPolicy(PassingFailuresPolicy):
    """Retries a step as its definition says.

    Args:
        policies: Those of the step; the first that names a failure's type decides about it.
    """

    def __init__(self, policies: tuple[RetryPolicy, ...] = ()) -> None:
        self._policies = policies

    def evaluate(
        self,
        exception: BaseException,
        try_number: int,
        max_tries: int,
        context: Any = None,
    ) -> RetryDecision:
        """Return the decision, with a reason for the task's log."""
        kind = exception_type(exception)
        policy = next((item for item in self._policies if kind in item.exceptions), None)
        if policy is None:
            return super().evaluate(exception, try_number, max_tries, context)
        retries = context["ti"].task.retries if context else max_tries
        attempt = try_number - (max_tries - retries)
        delays = [_delay(policy, number) for number in range(1, attempt + 1)]
        if policy.attempts is not None and attempt > policy.attempts:
            return RetryDecision.fail(f"{kind}: the step's policy allows {policy.attempts} retries")
        if policy.expires_after is not None and sum(delays, timedelta()) > policy.expires_after:
            return RetryDecision.fail(f"{kind}: the step's policy ends at {policy.expires_after}")
        return RetryDecision.retry(delays[-1], f"{kind}: next attempt in {delays[-1]}")


def exception_type(error: BaseException) -> str | None:
    """Return what SageMaker Pipelines calls a failure that may pass; None of any other."""
    if isinstance(error, JobInterruptedError):
        return next(
            (kind for word, kind in _OF_JOBS.items() if error.reason.startswith(word)), None
        )
    if passing_failure(error) is None:
        return None
    if isinstance(error, ClientError):
        if code_of(error) == "ResourceLimitExceeded":
            return "SageMaker.RESOURCE_LIMIT"
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if status < _SERVER_ERROR:
            return "Step.THROTTLING"
    return "Step.SERVICE_FAULT"


def _delay(policy: RetryPolicy, number: int) -> timedelta:
    try:
        return min(policy.interval * policy.backoff_rate ** (number - 1), _LONGEST)
    except OverflowError:
        return _LONGEST
