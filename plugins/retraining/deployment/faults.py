"""What is wrong with a deployment, and whose fault that is: the model's, or anything else's.

Only the model's own fault rejects a version: its container does not come up, does not answer, or
answers wrongly. No capacity, an internal error, throttling, a permission, somebody's hand on the
endpoint: these fail the run, and the version stays what it is. What nobody has met yet counts as
such, too. Sources: the FailureReason of DescribeEndpoint and the errors of InvokeEndpoint.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from retraining.aws.errors import code_of
from retraining.deployment import endpoints, smoke
from retraining.registry import versions
from retraining.registry.requests import DEFAULT_ACCEPT
from retraining.retries import passing_failure

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_sagemaker import SageMakerClient

    from retraining.deployment.plan import Plan
    from retraining.deployment.smoke import SmokeTest

log = logging.getLogger(__name__)

# What the service says of a container that fails by itself: on instances, where it does not even
# begin, on a serverless endpoint; and of an archive that is none.
_OF_MODEL = (
    "did not pass the ping health check",
    "model container for variant",
    "stand up your model within the allotted",
    "Failed to extract model data archive",
)
# The container answered with an error, died or took too long. Any other code is the caller's, the
# endpoint's or the service's.
_MODEL_ERROR = "ModelError"
_ATTEMPTS = 3
_PAUSE_S = 2.0


class EndpointFaultError(Exception):
    """An endpoint does not serve what it should, and not by the model's fault."""


def find_fault(
    client: SageMakerClient,
    runtime: Any,
    plan: Plan,
    *,
    test: SmokeTest | None,
    tolerance: float,
) -> str | None:
    """Say what the model that an endpoint was given does wrong, None if nothing.

    Args:
        client: The client.
        runtime: A sagemaker-runtime client.
        plan: What should serve.
        test: What it must answer; None asks nothing of it.
        tolerance: The relative difference that a prediction may have.

    Raises:
        EndpointFaultError: Something is wrong that is not the model's fault.
        ClientError: The endpoint could not be asked.
    """
    endpoint = endpoints.find(client, plan.endpoint_name)
    if endpoint is None:
        raise EndpointFaultError(f"{plan.endpoint_name} does not exist: somebody deleted it")
    if not endpoint.serves(plan.config_name):
        said = f": {endpoint.reason}" if endpoint.reason else ""
        wrong = f"{plan.endpoint_name} is {endpoint.status}{said}"
        if endpoint.status == "InService":
            by = "the service took the update back" if said else "somebody else has updated it"
            wrong = (
                f"{plan.endpoint_name} serves {endpoint.config} and not {plan.config_name}:"
                f" {by}{said}"
            )
        if endpoint.is_changing or not any(words in endpoint.reason for words in _OF_MODEL):
            raise EndpointFaultError(wrong)
        return wrong
    if test is None:
        return None
    headers = {"ContentType": test.content_type, **_accept(client, plan, test)}
    for row, request in enumerate(test.requests, 1):
        try:
            answer = _ask(runtime, plan.endpoint_name, request, headers=headers)
        except ClientError as error:
            if code_of(error) != _MODEL_ERROR:
                raise
            return f"it does not answer its own test rows: row {row}: {error}"
        wrong_answer = smoke.difference(
            answer, request.expected, accept=test.accept, tolerance=tolerance
        )
        if wrong_answer:
            return f"row {row} of the test split {wrong_answer}"
    return None


def _accept(client: SageMakerClient, plan: Plan, test: SmokeTest) -> dict[str, str]:
    """Ask as a client would who has read the registry: for nothing, where its word is enough."""
    version = versions.find(client, plan.version_arn)
    containers = version.containers if version else ()
    promised = [container.get("Environment", {}).get(DEFAULT_ACCEPT) for container in containers]
    return {} if promised == [test.accept] else {"Accept": test.accept}


def _ask(
    runtime: Any, endpoint_name: str, request: smoke.Request, *, headers: Mapping[str, str]
) -> str:
    attempt = 1
    while True:
        try:
            answer = runtime.invoke_endpoint(
                EndpointName=endpoint_name, Body=request.body.encode(), **headers
            )
        except ClientError as error:
            may_pass = code_of(error) == _MODEL_ERROR or passing_failure(error) is not None
            if attempt == _ATTEMPTS or not may_pass:
                raise
            log.warning("attempt %d of %d: %s", attempt, _ATTEMPTS, error)
        else:
            return str(answer["Body"].read(), errors="replace")
        attempt += 1
        time.sleep(_PAUSE_S)
