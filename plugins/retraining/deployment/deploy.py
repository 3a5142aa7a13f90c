"""Deploying by a plan: make models and configs, look whether it still holds, clean up.

Each function may be repeated at any time.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from retraining import naming
from retraining.aws.errors import is_missing
from retraining.deployment import endpoints, requests
from retraining.deployment.choice import (
    DeploymentRefusedError,
    check_deployable,
    first_usable,
    in_turn,
)
from retraining.registry import versions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mypy_boto3_sagemaker import SageMakerClient

    from retraining.deployment.endpoints import Endpoint
    from retraining.deployment.plan import Plan
    from retraining.deployment.requests import Size
    from retraining.registry.versions import Version

log = logging.getLogger(__name__)


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


def withdrawn(client: SageMakerClient, plan: Plan) -> str | None:
    """Say why the plan's version may not serve any more, None if it may.

    A person may reject it at any time: it is asked before each task that would let it serve on.
    """
    if plan.is_restoring:
        return None
    version = versions.find(client, plan.version_arn)
    if version is None:
        return f"version {plan.version_number} was deleted from the registry"
    try:
        check_deployable(version)
    except DeploymentRefusedError as error:
        return str(error)
    return None


def prepare(client: SageMakerClient, plan: Plan, *, size: Size, role_arn: str) -> None:
    """Make the model and the endpoint config, unless they exist.

    Raises:
        DeploymentRefusedError: The version is not approved any more.
    """
    if plan.is_restoring:
        return
    if why := withdrawn(client, plan):
        raise DeploymentRefusedError(f"{why}. Nothing was changed")
    model = requests.model(plan.model_name, plan.version_arn, role_arn=role_arn)
    _make(client, model, plan.config_name, size=size)


def make_serving_config(client: SageMakerClient, plan: Plan, *, size: Size, role_arn: str) -> None:
    """Make the config that serves again, if somebody deleted it.

    The service changes no endpoint without it. Its name tells of which version it was, and whether
    it was of this size; of any other there is only a warning.
    """
    endpoint = endpoints.find(client, plan.endpoint_name)
    config = endpoint.answering_config if endpoint else None
    if config is None or endpoints.is_there(client, config, with_models=False):
        return
    version = endpoints.version_of(client, config, plan.endpoint_name, group=plan.group)
    if version is not None:
        names = requests.names_of(
            version, endpoint=plan.endpoint_name, size=size, role_arn=role_arn
        )
        if names.config == config:
            # The service makes no model of a version that is not approved, as one that was found
            # bad; of its container it does.
            model = (
                requests.model(names.model, version.arn, role_arn=role_arn)
                if version.is_deployable
                else requests.model_of_container(
                    names.model, version.containers[0], role_arn=role_arn
                )
            )
            _make(client, model, names.config, size=size)
            return
    log.warning(
        "%s serves %s, which was deleted: SageMaker may refuse to change an endpoint without its"
        " config. If it does, run this with the size that it had, or delete the endpoint",
        plan.endpoint_name,
        config,
    )


def way_back(
    client: SageMakerClient,
    plan: Plan,
    *,
    size: Size,
    role_arn: str,
    why_not: Callable[[Version], str | None],
    no_data: Callable[[Version], str | None],
) -> str | None:
    """Return a config to flip back to, which exists; None if the endpoint is to be deleted.

    It is the last that was verified. Where somebody has deleted that, it is made again from its
    version, in this run's size; if that may not be deployed, or its model data is gone, the next
    approved one takes its place.

    Args:
        client: The client.
        plan: What was deployed.
        size: Of the endpoint.
        role_arn: That it assumes.
        why_not: Says what an approved version lacks to be deployed.
        no_data: Says why nothing can load a version's model data, None if it may.

    Raises:
        DeploymentRefusedError: There is nothing to flip back to.
    """
    previous = plan.previous_config
    if previous is None:
        return None
    before = versions.find(client, plan.previous_arn) if plan.previous_arn else None
    is_lost = before is not None and no_data(before) is not None
    if not is_lost and endpoints.is_there(client, previous, with_models=True):
        return previous
    turn = [before] if before and before.is_deployable else []
    approved = versions.deployable(client, plan.group)
    turn += in_turn(approved, plan.passed_over, with_passed=True)
    version = first_usable([item for item in turn if item.arn != plan.version_arn], why_not)
    if version is None:
        raise DeploymentRefusedError(
            f"{previous}, the last that was verified, is gone, and no other version may take"
            f" its place, so {plan.endpoint_name} goes on as it is. Approve another version, or"
            " delete the endpoint"
        )
    names = requests.names_of(version, endpoint=plan.endpoint_name, size=size, role_arn=role_arn)
    model = requests.model(names.model, version.arn, role_arn=role_arn)
    _make(client, model, names.config, size=size)
    return names.config


def _make(client: SageMakerClient, model: Mapping[str, Any], config: str, *, size: Size) -> None:
    name = model["ModelName"]
    _make_once(
        lambda: client.describe_model(ModelName=name),
        lambda: client.create_model(**model),
    )
    _make_once(
        lambda: client.describe_endpoint_config(EndpointConfigName=config),
        lambda: client.create_endpoint_config(**requests.endpoint_config(config, name, size=size)),
    )


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
