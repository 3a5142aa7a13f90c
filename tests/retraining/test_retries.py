"""Which failures are retried, and after how long."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.definitions.retry_policy import RetryAction
from airflow.sdk.exceptions import XComNotFound
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
)
from jinja2 import UndefinedError
from retraining.retries import (
    RETRIES,
    JobInterruptedError,
    PassingFailuresPolicy,
    passing_job_failure,
)


def client_error(code: str, status: int = 400) -> ClientError:
    return ClientError(
        {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
        "CreateTrainingJob",
    )


def decide(error: BaseException, *, attempt: int = 1, clears: int = 0) -> Any:
    # A clear raises max_tries by what was used up, and try_number goes on from there.
    context = {"ti": SimpleNamespace(task=SimpleNamespace(retries=RETRIES))}
    return PassingFailuresPolicy().evaluate(
        error, attempt + clears, RETRIES + clears, context=context
    )


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (client_error("ThrottlingException"), 10),
        (client_error("Throttling"), 10),
        (client_error("SlowDown", 503), 10),
        (client_error("InternalFailure", 500), 10),
        (ConnectionClosedError(endpoint_url="http://x"), 10),
        (EndpointConnectionError(endpoint_url="http://x"), 10),
        (ConnectTimeoutError(endpoint_url="http://x"), 10),
        (client_error("ResourceLimitExceeded"), 60),
        (JobInterruptedError("no capacity", first_delay=timedelta(seconds=30)), 30),
    ],
)
def test_what_passes_is_retried_after_ever_longer(error: Exception, seconds: int) -> None:
    assert decide(error).action is RetryAction.RETRY
    delays = [decide(error, attempt=n).retry_delay.total_seconds() for n in range(1, 9)]
    assert delays[:3] == [seconds, 2 * seconds, 4 * seconds]
    assert max(delays) <= 1800
    assert decide(error, attempt=2, clears=5).retry_delay.total_seconds() == 2 * seconds


@pytest.mark.parametrize(
    "code", ["AccessDenied", "ValidationException", "NoSuchBucket", "ResourceNotFound"]
)
def test_a_refusal_is_final(code: str) -> None:
    assert decide(client_error(code)).action is RetryAction.FAIL


def test_a_malformed_request_is_not_sent_again() -> None:
    assert decide(ParamValidationError(report="too short")).action is RetryAction.FAIL


@pytest.mark.parametrize(
    "error",
    [UndefinedError("'None' has no attribute 'model_uri'"), XComNotFound("d", "t", "plan")],
)
def test_a_result_that_is_not_there_will_not_come(error: Exception) -> None:
    decision = decide(error)
    assert decision.action is RetryAction.FAIL
    assert "clear it" in decision.reason


@pytest.mark.parametrize("error", [ValueError("a bug"), NoCredentialsError()])
def test_the_unknown_is_tried_three_times(error: Exception) -> None:
    actions = [decide(error, attempt=n).action for n in (1, 2, 3)]
    assert actions == [RetryAction.DEFAULT, RetryAction.DEFAULT, RetryAction.FAIL]


@pytest.mark.parametrize(
    ("reason", "seconds"),
    [
        ("CapacityError: Unable to provision requested ML compute capacity", 30),
        ("InternalServerError: We encountered an internal error", 30),
        ("ResourceLimitExceeded: The account-level service limit", 60),
        ("AlgorithmError: CapacityError, said the script, exit code: 1", None),
        ("ClientError: Data download failed", None),
        ("", None),
    ],
)
def test_a_jobs_failure_passes_if_it_was_not_its_own(reason: str, seconds: int | None) -> None:
    delay = passing_job_failure({"FailureReason": reason})
    assert delay == (None if seconds is None else timedelta(seconds=seconds))


def test_the_policy_can_be_part_of_a_serialized_dag() -> None:
    serialized = PassingFailuresPolicy().serialize()
    assert isinstance(PassingFailuresPolicy.deserialize(serialized), PassingFailuresPolicy)
