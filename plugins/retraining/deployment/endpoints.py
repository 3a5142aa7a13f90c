"""One endpoint: what it serves, what it is known to serve well, and steps towards another config.

The endpoint itself keeps two tags, so that no death of a worker can lose them: the last config that
was verified, to which a bad deployment is flipped back, and the versions that a person passed over
by rolling back. Sources: the CreateEndpoint, UpdateEndpoint and DescribeEndpoint API.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from retraining import naming
from retraining.aws.errors import is_missing
from retraining.registry import versions

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient

    from retraining.registry.versions import Version

_VERIFIED = naming.deployment_tag_key("verified-config")
_PASSED_OVER = naming.deployment_tag_key("passed-over")
# Of an endpoint whose first config has not been verified yet.
_NONE = "none"
_CHANGING = frozenset({"Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting"})
# In these states its config answers requests.
_ANSWERING = frozenset({"InService", "Updating", "SystemUpdating", "RollingBack"})


class Step(enum.Enum):
    """What ``bring_to`` did, and so what its caller has to do."""

    DONE = "done"
    WAIT = "wait"
    ASKED = "asked"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint as it is now.

    Attributes:
        name: Its name.
        arn: Its ARN.
        status: Its EndpointStatus.
        config: The config that serves, or with which it was created.
        reason: Its FailureReason, or "".
        verified: The config to flip back to: the last that was verified, or one that somebody
            else put there. None if there is none.
        passed_over: The versions that a person passed over, as ``passed_over`` reads them.
    """

    name: str
    arn: str
    status: str
    config: str
    reason: str
    verified: str | None
    passed_over: str

    @property
    def is_changing(self) -> bool:
        """Whether the service is at work on it, and refuses changes."""
        return self.status in _CHANGING

    @property
    def is_sound(self) -> bool:
        """Whether it serves what was verified, and nothing else is under way."""
        return self.status in {"InService", "SystemUpdating"} and self.config == self.verified

    @property
    def answering_config(self) -> str | None:
        """The config that answers requests, also while another is on its way; None if none does."""
        return (self.config or None) if self.status in _ANSWERING else None

    def serves(self, config: str) -> bool:
        """Say whether a config is what answers requests now."""
        return self.status == "InService" and self.config == config


def find(client: SageMakerClient, name: str) -> Endpoint | None:
    """Describe an endpoint; None if it does not exist."""
    try:
        described = client.describe_endpoint(EndpointName=name)
        pages = client.get_paginator("list_tags").paginate(ResourceArn=described["EndpointArn"])
        tags = {tag["Key"]: tag["Value"] for page in pages for tag in page["Tags"]}
    except ClientError as error:
        if is_missing(error):
            return None
        raise
    config = described.get("EndpointConfigName", "")
    marked = tags.get(_VERIFIED)
    if marked is None or (config and not naming.is_deployment_name(config, endpoint=name)):
        # Not made here, or changed by somebody since: what they chose is what to flip back to.
        verified = config or None
    else:
        verified = None if marked == _NONE else marked
    return Endpoint(
        name=name,
        arn=described["EndpointArn"],
        status=described["EndpointStatus"],
        config=config,
        reason=described.get("FailureReason", ""),
        verified=verified,
        passed_over=tags.get(_PASSED_OVER, ""),
    )


def is_changing(client: SageMakerClient, name: str) -> bool:
    """Say whether the service is at work on an endpoint; not if it does not exist."""
    try:
        return client.describe_endpoint(EndpointName=name)["EndpointStatus"] in _CHANGING
    except ClientError as error:
        if is_missing(error):
            return False
        raise


def is_there(client: SageMakerClient, config: str, *, with_models: bool) -> bool:
    """Say whether a config exists, with its models or without; then an endpoint can come to it."""
    try:
        variants = client.describe_endpoint_config(EndpointConfigName=config)["ProductionVariants"]
        for variant in variants:
            if with_models and "ModelName" in variant:
                client.describe_model(ModelName=variant["ModelName"])
    except ClientError as error:
        if is_missing(error):
            return False
        raise
    return True


def version_of_config(client: SageMakerClient, config: str) -> Version | None:
    """Return the registered version that a config serves.

    None if that cannot be told: the config or its model is gone, the model was not made from a
    version, or the version was deleted.
    """
    try:
        (variant, *_) = client.describe_endpoint_config(EndpointConfigName=config)[
            "ProductionVariants"
        ]
        # A person's own may have inference components instead.
        if "ModelName" not in variant:
            return None
        model: Any = client.describe_model(ModelName=variant["ModelName"])
    except ClientError as error:
        if is_missing(error):
            return None
        raise
    containers = [model.get("PrimaryContainer"), *model.get("Containers", [])]
    container: Any = next(filter(None, containers), {})
    arn: str = container.get("ModelPackageName", "")
    return versions.find(client, arn) if arn.startswith("arn:") else None


def version_of(
    client: SageMakerClient, config: str, endpoint_name: str, *, group: str
) -> Version | None:
    """Return the version of a config; of one that somebody deleted, as its name tells."""
    found = version_of_config(client, config)
    number = naming.deployed_number(config, endpoint=endpoint_name)
    if found is not None or number is None:
        return found
    try:
        return versions.version_asked_for(client, group, number)
    except versions.NoSuchVersionError:
        return None


def bring_to(
    client: SageMakerClient, name: str, config: str | None, *, verified: str | None, is_asked: bool
) -> Step:
    """Take one step towards an endpoint that serves a config; without one, that does not exist.

    Each step begins with a look at the endpoint, so it may be repeated at any time, after any
    death. An update that the service rolled back looks like one that nobody asked for: whoever
    asked says so, and is told ``DONE`` whatever came of it.

    Args:
        client: The client.
        name: The endpoint.
        config: The config, or None.
        verified: The last verified config, for the tag of a new endpoint; None if there is none.
        is_asked: Whether an earlier step of this attempt returned ``ASKED``.

    Returns:
        ``DONE``, or after ``ASKED`` and ``WAIT`` the next step follows when the endpoint has
        settled.
    """
    found = find(client, name)
    if found is None:
        if config is None or is_asked:
            return Step.DONE
        client.create_endpoint(
            EndpointName=name,
            EndpointConfigName=config,
            Tags=[{"Key": _VERIFIED, "Value": verified or _NONE}],
        )
        return Step.ASKED
    if found.is_changing:
        return Step.WAIT
    if config is not None and (is_asked or found.serves(config)):
        return Step.DONE
    if config is None or found.status == "Failed":
        # The service lets nobody update a failed one.
        client.delete_endpoint(EndpointName=name)
        return Step.WAIT
    # Before the update, as afterwards nobody could tell what served before.
    _tag(client, found, {_VERIFIED: found.verified or _NONE})
    client.update_endpoint(EndpointName=name, EndpointConfigName=config)
    return Step.ASKED


def mark_verified(client: SageMakerClient, name: str, config: str, *, passed_over: str) -> None:
    """Make a config the one to flip back to.

    Args:
        client: The client.
        name: The endpoint.
        config: What was verified.
        passed_over: The versions that are not deployed unasked, as the tag has them.
    """
    found = find(client, name)
    if found is not None:
        _tag(client, found, {_VERIFIED: config, _PASSED_OVER: passed_over})


def _tag(client: SageMakerClient, endpoint: Endpoint, tags: dict[str, str]) -> None:
    client.add_tags(
        ResourceArn=endpoint.arn,
        Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
    )
