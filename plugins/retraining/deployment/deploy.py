"""Deploying by a plan: make model and config, verify what serves, clean up.

Each function may be repeated at any time.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from retraining import naming
from retraining.aws.errors import code_of, is_missing
from retraining.deployment import endpoints, requests, smoke
from retraining.deployment.plan import DeploymentRefusedError, check_deployable
from retraining.registry import versions
from retraining.registry.requests import DEFAULT_ACCEPT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mypy_boto3_sagemaker import SageMakerClient

    from retraining.deployment.endpoints import Endpoint
    from retraining.deployment.plan import Plan
    from retraining.deployment.requests import Size
    from retraining.deployment.smoke import SmokeTest
    from retraining.registry.versions import Version

log = logging.getLogger(__name__)

_ATTEMPTS = 3
_PAUSE_S = 2.0
# Errors of the model or of the container that runs it; others are the caller's or pass.
_MODEL_ERRORS = frozenset({
    "ModelError", "ModelNotReadyException", "ValidationError",
    "InternalFailure", "InternalDependencyException", "ServiceUnavailable",
})  # fmt: skip


def check_current(client: SageMakerClient, plan: Plan) -> Endpoint | None:
    """Return the endpoint, if no other deployment has verified something else there since.

    Raises:
        DeploymentRefusedError: One has: this plan would undo it.
    """
    endpoint = endpoints.find(client, plan.endpoint_name)
    expected = {plan.previous_config, plan.config_name}
    if endpoint is not None and endpoint.verified not in expected:
        raise DeploymentRefusedError(
            f"{plan.endpoint_name} was deployed to since this run chose version"
            f" {plan.version_number}: {endpoint.verified} is verified there now. Nothing was"
            " changed; start a new run"
        )
    return endpoint


def prepare(client: SageMakerClient, plan: Plan, *, size: Size, role_arn: str) -> None:
    """Make the model and the endpoint config, unless they exist.

    Raises:
        DeploymentRefusedError: The version is not approved any more.
    """
    if plan.is_restoring:
        return
    # Here and not only when it was chosen: a person may have rejected it in between.
    check_deployable(versions.describe(client, plan.version_arn))
    _make_once(
        lambda: client.describe_model(ModelName=plan.model_name),
        lambda: client.create_model(
            **requests.model(plan.model_name, plan.version_arn, role_arn=role_arn)
        ),
    )
    _make_once(
        lambda: client.describe_endpoint_config(EndpointConfigName=plan.config_name),
        lambda: client.create_endpoint_config(
            **requests.endpoint_config(plan.config_name, plan.model_name, size=size)
        ),
    )


def fault(
    client: SageMakerClient,
    runtime: Any,
    plan: Plan,
    *,
    test: SmokeTest | None,
    tolerance: float,
) -> str | None:
    """Say what is wrong with what an endpoint serves, None if nothing is.

    Args:
        client: The client.
        runtime: A sagemaker-runtime client.
        plan: What should serve.
        test: What it must answer; None asks nothing of it.
        tolerance: The relative difference that a prediction may have.

    Raises:
        ClientError: The endpoint could not be asked.
    """
    endpoint = endpoints.find(client, plan.endpoint_name)
    if endpoint is None:
        return f"{plan.endpoint_name} does not exist"
    said = f": {endpoint.reason}" if endpoint.reason else ""
    if endpoint.status != "InService":
        return f"{plan.endpoint_name} is {endpoint.status}{said}"
    if endpoint.config != plan.config_name:
        return (
            f"{plan.endpoint_name} serves {endpoint.config} and not {plan.config_name}: the service"
            f" took the update back{said}"
        )
    if test is None:
        return None
    headers = {"ContentType": test.content_type, **_accept(client, plan, test)}
    return _answers_fault(runtime, plan, test, headers=headers, tolerance=tolerance)


def _accept(client: SageMakerClient, plan: Plan, test: SmokeTest) -> dict[str, str]:
    """Ask as a client would who has read the registry: for nothing, where its word is enough."""
    version = versions.find(client, plan.version_arn)
    containers = version.containers if version else ()
    promised = [container.get("Environment", {}).get(DEFAULT_ACCEPT) for container in containers]
    return {} if promised == [test.accept] else {"Accept": test.accept}


def _answers_fault(
    runtime: Any, plan: Plan, test: SmokeTest, *, headers: Mapping[str, str], tolerance: float
) -> str | None:
    for row, request in enumerate(test.requests, 1):
        try:
            answer = _ask(runtime, plan.endpoint_name, request, headers=headers)
        except ClientError as error:
            if not _is_of_model(error):
                raise
            return f"it does not answer its own test rows: row {row}: {error}"
        wrong = smoke.difference(answer, request.expected, accept=test.accept, tolerance=tolerance)
        if wrong:
            return f"row {row} of the test split {wrong}"
    return None


def clean_up(client: SageMakerClient, plan: Plan, *, keep: int) -> list[str]:
    """Delete the endpoint's own configs and models that are beyond the newest ``keep``.

    Never what serves now, what served before, or what was not made by ``deployment_name``. What
    cannot be deleted is left, with a warning.

    Returns:
        The names that were deleted.
    """
    stem = naming.deployment_stem(plan.endpoint_name)

    def own(pages: Any, member: str, name: str) -> list[str]:
        names = [item[name] for page in pages for item in page[member]]
        return [n for n in names if naming.is_deployment_name(n, endpoint=plan.endpoint_name)]

    deleted: list[str] = []
    try:
        endpoint = endpoints.find(client, plan.endpoint_name)
        configs = own(
            client.get_paginator("list_endpoint_configs").paginate(
                NameContains=stem, SortBy="CreationTime", SortOrder="Descending"
            ),
            "EndpointConfigs",
            "EndpointConfigName",
        )
        in_use = {plan.config_name, plan.previous_config, endpoint.config if endpoint else None}
        others = [name for name in configs if name not in in_use]
        room = max(keep - (len(configs) - len(others)), 0)
        for name in others[room:]:
            client.delete_endpoint_config(EndpointConfigName=name)
            deleted.append(name)
        needed = {
            variant.get("ModelName")
            for name in set(configs) - set(deleted)
            for variant in client.describe_endpoint_config(EndpointConfigName=name)[
                "ProductionVariants"
            ]
        }
        models = client.get_paginator("list_models").paginate(NameContains=stem)
        for name in own(models, "Models", "ModelName"):
            if name not in needed:
                client.delete_model(ModelName=name)
                deleted.append(name)
    except ClientError as error:
        log.warning("cleaning up after %s: %s", plan.endpoint_name, error)
    return deleted


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
            if attempt == _ATTEMPTS or not _is_of_model(error):
                raise
            log.warning("attempt %d of %d: %s", attempt, _ATTEMPTS, error)
        else:
            return str(answer["Body"].read(), errors="replace")
        attempt += 1
        time.sleep(_PAUSE_S)


def _is_of_model(error: ClientError) -> bool:
    return code_of(error) in _MODEL_ERRORS


def create_registered_model(
    client: SageMakerClient, version: Version, *, pipeline: str, role_arn: str
) -> str:
    """Make the SageMaker model of a registered version, unless it exists; return its name."""
    container = dict(version.containers[0])
    name = naming.registered_model_name(
        pipeline, version.number, identity=[version.arn, container, role_arn]
    )
    _make_once(
        lambda: client.describe_model(ModelName=name),
        lambda: client.create_model(
            **requests.model_of_container(name, container, role_arn=role_arn)
        ),
    )
    return name


def _make_once(describe: Callable[[], Any], create: Callable[[], Any]) -> None:
    def exists() -> bool:
        try:
            describe()
        except ClientError as error:
            if is_missing(error):
                return False
            raise
        return True

    if exists():
        return
    try:
        create()
    except ClientError:
        # The service refuses a second one with ValidationException; another attempt may have
        # made it just now.
        if not exists():
            raise
