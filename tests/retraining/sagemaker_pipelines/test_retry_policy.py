"""A step's retry policies as Airflow asks about them."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from retraining.sagemaker_pipelines.definition import RetryPolicy


@pytest.fixture(scope="module")
def airflow(become_a_task: Any) -> SimpleNamespace:
    """The policy in an Airflow of its own, imported after its home is known."""
    become_a_task()
    from airflow.sdk.definitions.retry_policy import RetryAction  # noqa: PLC0415
    from retraining.retries import JobInterruptedError  # noqa: PLC0415
    from retraining.sagemaker_pipelines import retry_policy  # noqa: PLC0415

    return SimpleNamespace(
        Policy=retry_policy.StepRetryPolicy,
        kind=retry_policy.exception_type,
        Interrupted=JobInterruptedError,
        action=RetryAction,
    )


def policy(
    *exceptions: str, attempts: int | None = None, minutes: float | None = None
) -> RetryPolicy:
    return RetryPolicy(
        frozenset(exceptions),
        timedelta(seconds=10),
        2.0,
        attempts,
        None if minutes is None else timedelta(minutes=minutes),
    )


def client_error(code: str, status: int) -> ClientError:
    answer: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "CreateTrainingJob")


def test_each_failure_has_pipelines_own_name(airflow: SimpleNamespace) -> None:
    interrupted = airflow.Interrupted
    named = {
        interrupted("", reason="CapacityError: none left"): "SageMaker.CAPACITY_ERROR",
        interrupted("", reason="InternalServerError: x"): "SageMaker.JOB_INTERNAL_ERROR",
        interrupted("", reason="ResourceLimitExceeded: x"): "SageMaker.RESOURCE_LIMIT",
        client_error("ResourceLimitExceeded", 400): "SageMaker.RESOURCE_LIMIT",
        client_error("ThrottlingException", 400): "Step.THROTTLING",
        client_error("InternalFailure", 500): "Step.SERVICE_FAULT",
        ReadTimeoutError(endpoint_url="x"): "Step.SERVICE_FAULT",
        client_error("ValidationException", 400): None,
        ValueError("CapacityError"): None,
        # The words stand in the log that the message ends with.
        interrupted("CapacityError", reason="Something: else"): None,
    }
    assert {error: airflow.kind(error) for error in named} == named


def decided(airflow: SimpleNamespace, given: tuple[RetryPolicy, ...], attempt: int) -> Any:
    context = {"ti": SimpleNamespace(task=SimpleNamespace(retries=20))}
    error = airflow.Interrupted("", reason="CapacityError: none left")
    # A person has cleared the task three times, which makes tries, and no attempts.
    return airflow.Policy(given).evaluate(error, attempt + 3, 23, context)


def test_attempts_and_intervals_are_the_policys(airflow: SimpleNamespace) -> None:
    own = (policy("Step.THROTTLING", attempts=9), policy("SageMaker.CAPACITY_ERROR", attempts=3))
    found = [decided(airflow, own, attempt) for attempt in (1, 2, 3, 4)]
    assert [item.action for item in found] == [airflow.action.RETRY] * 3 + [airflow.action.FAIL]
    assert [item.retry_delay for item in found[:3]] == [
        timedelta(seconds=10),
        timedelta(seconds=20),
        timedelta(seconds=40),
    ]


def test_a_policy_may_end_after_a_time(airflow: SimpleNamespace) -> None:
    own = (policy("SageMaker.CAPACITY_ERROR", minutes=1),)
    found = [decided(airflow, own, attempt).action for attempt in (1, 2, 3)]
    assert found == [airflow.action.RETRY, airflow.action.RETRY, airflow.action.FAIL]


def test_what_no_policy_is_about_is_decided_as_of_all_tasks(airflow: SimpleNamespace) -> None:
    found = decided(airflow, (policy("Step.THROTTLING", attempts=1),), 2)
    assert (found.action, found.retry_delay) == (airflow.action.RETRY, timedelta(seconds=60))
    own = airflow.Policy((policy("Step.THROTTLING", attempts=1),))
    context = {"ti": SimpleNamespace(task=SimpleNamespace(retries=20))}
    refused = own.evaluate(client_error("ValidationException", 400), 1, 20, context)
    assert refused.action is airflow.action.FAIL


def test_a_huge_backoff_is_a_day_at_most(airflow: SimpleNamespace) -> None:
    wild = RetryPolicy(frozenset({"SageMaker.CAPACITY_ERROR"}), timedelta(days=30), 1e3, 20, None)
    assert decided(airflow, (wild,), 20).retry_delay == timedelta(days=1)
