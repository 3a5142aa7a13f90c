"""Which failures pass by themselves, and how long to wait before the next attempt.

A failure that would only come again (a script's error, bad data, a report that cannot be judged, a
rejected model, a refused request) is not retried. One that passes is, with the waiting times that
SageMaker Pipelines' documentation gives its retry policies.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk.definitions.retry_policy import RetryDecision, RetryPolicy
from airflow.sdk.exceptions import AirflowException, XComNotFound
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    ParamValidationError,
)
from jinja2 import UndefinedError

if TYPE_CHECKING:
    from collections.abc import Mapping

# With the longest delay below, eight retries of a job that finds no capacity span an hour and a
# half.
RETRIES = 8
_LONGEST_DELAY = timedelta(minutes=30)
_BACKOFF_RATE = 2.0
# A failure of no known kind: a bug, or something that nobody has met yet.
_UNKNOWN_RETRIES = 2

_SERVICE = timedelta(seconds=10)
_JOB = timedelta(seconds=30)
_LIMIT = timedelta(seconds=60)
# The first words of a job's FailureReason.
_JOB_FAILURES: Mapping[str, timedelta] = {
    "CapacityError": _JOB,
    "InternalServerError": _JOB,
    "ResourceLimitExceeded": _LIMIT,
}
# An endpoint's ModelNotReady is a container that is still on its way.
_THROTTLING = ("Throttl", "TooManyRequests", "RequestLimitExceeded", "SlowDown", "ModelNotReady")
_SERVER_ERROR = 500


class JobInterruptedError(AirflowException):
    """A job ended through no fault of its own.

    Attributes:
        first_delay: The time before the first retry.
        reason: The job's FailureReason.
    """

    def __init__(self, message: str, *, first_delay: timedelta = _JOB, reason: str = "") -> None:
        super().__init__(message)
        self.first_delay = first_delay
        self.reason = reason


class PassingFailuresPolicy(RetryPolicy):
    """Retries what passes, with exponential backoff, and fails at once what does not.

    The delays count the attempts since a person last cleared the task.
    """

    def evaluate(
        self,
        exception: BaseException,
        try_number: int,
        max_tries: int,
        context: Any = None,
    ) -> RetryDecision:
        """Return the decision, with a reason for the task's log."""
        retries = context["ti"].task.retries if context else max_tries
        attempt = try_number - (max_tries - retries)
        first_delay = passing_failure(exception)
        if first_delay is not None:
            delay = min(first_delay * _BACKOFF_RATE ** (attempt - 1), _LONGEST_DELAY)
            return RetryDecision.retry(delay, f"it passes; next attempt in {delay}")
        if isinstance(exception, ClientError):
            return RetryDecision.fail("the service refuses this request, and would again")
        if isinstance(exception, ParamValidationError):
            return RetryDecision.fail("the request is malformed, and would be again")
        if isinstance(exception, UndefinedError | XComNotFound):
            return RetryDecision.fail(
                "there is no result of an earlier task: if that was marked as success by"
                " hand, clear it"
            )
        if attempt > _UNKNOWN_RETRIES:
            return RetryDecision.fail(f"it failed so {attempt} times")
        return RetryDecision.default()

    def serialize(self) -> dict[str, Any]:
        """Return what a serialized DAG keeps of it: only the worker evaluates it."""
        return {"__type": f"{type(self).__module__}.{type(self).__qualname__}"}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> RetryPolicy:  # noqa: ARG003 - it has no state
        """Return the policy."""
        return cls()


def retry_arguments() -> dict[str, Any]:
    """Return how often and when a task is tried again, as operators take it.

    The policy decides on what a task raises. The delays are for what it could not: its process was
    killed, or Airflow lost sight of it. The next attempt finds the job of the one before.
    """
    return {
        "retries": RETRIES,
        "retry_policy": PassingFailuresPolicy(),
        "retry_delay": timedelta(seconds=10),
        "retry_exponential_backoff": _BACKOFF_RATE,
        "max_retry_delay": timedelta(minutes=10),
    }


def passing_failure(error: BaseException) -> timedelta | None:
    """Return the time before the first retry of a failure that passes, or None."""
    if isinstance(error, JobInterruptedError):
        return error.first_delay
    # What botocore raises when no answer came: refused, reset, timed out.
    if isinstance(error, HTTPClientError | EndpointConnectionError | ConnectTimeoutError):
        return _SERVICE
    if not isinstance(error, ClientError):
        return None
    code = error.response.get("Error", {}).get("Code", "")
    if code == "ResourceLimitExceeded":
        return _LIMIT
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if status >= _SERVER_ERROR or any(word in code for word in _THROTTLING):
        return _SERVICE
    return None


def passing_job_failure(described: Mapping[str, Any]) -> timedelta | None:
    """Return the time before the first retry of a job that may run well next time, or None."""
    reason = str(described.get("FailureReason", ""))
    return next((delay for word, delay in _JOB_FAILURES.items() if reason.startswith(word)), None)
