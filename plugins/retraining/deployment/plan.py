"""The plan that brings an endpoint to what it should serve, from a look at all that there is."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from retraining import naming
from retraining.deployment import endpoints, passed_over, requests
from retraining.deployment.choice import (
    DeploymentRefusedError,
    choose,
    first_usable,
    in_turn,
    is_rejected,
    said_of,
    said_of_passed,
)
from retraining.deployment.requests import Size
from retraining.deployment.smoke import DEFAULT_TOLERANCE
from retraining.registry import versions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mypy_boto3_sagemaker import SageMakerClient

    from retraining.deployment.requests import Names
    from retraining.registry.versions import Version


log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run does, settled before it changes anything; JSON can carry it.

    Attributes:
        endpoint_name: The endpoint.
        group: The model package group.
        version_arn: The version that is deployed; "" if a config of unknown version is restored.
        version_number: Its number; 0 if unknown.
        snapshot: The date of its data.
        report_uri: Its evaluation report.
        model_name: Its model.
        config_name: Its endpoint config.
        previous_config: The last verified config, to flip back to; None if there is none.
        previous_arn: The version of that; "" if unknown.
        passed_over: The versions that a person passes over, or did before this, as the endpoint's
            tag has them.
        is_restoring: Whether model and config are only put back.
        is_flipping: Whether the version is only flipped back, as an earlier run has not.
        tolerance: How far a number may be from what evaluation predicted, as the version says.
        alarm: What people are told of what serves until then; or "".
    """

    endpoint_name: str
    group: str
    version_arn: str
    version_number: int
    snapshot: str
    report_uri: str
    model_name: str
    config_name: str
    previous_config: str | None
    previous_arn: str
    passed_over: str
    is_restoring: bool
    is_flipping: bool = False
    tolerance: float = DEFAULT_TOLERANCE
    alarm: str = ""


def make_plan(
    client: SageMakerClient,
    group: str,
    *,
    endpoint_name: str,
    wanted: int | str | None,
    size: Size,
    role_arn: str,
    is_resizing: bool,
    objection: Callable[[Version], str | None],
    why_not: Callable[[Version], str | None],
    no_data: Callable[[Version], str | None],
) -> tuple[Plan | None, str]:
    """Look at registry and endpoint, and settle what is to be done.

    Args:
        client: The client.
        group: The model package group.
        endpoint_name: The endpoint.
        wanted: The version that a person asked for: its number or ARN; None if nobody did.
        size: Of the endpoint.
        role_arn: That the endpoint assumes.
        is_resizing: See ``choose``.
        objection: Says why a version is not deployed unasked; who asks for it gets it.
        why_not: Says what an approved version lacks to be deployed, None if nothing.
        no_data: Says why nothing can load a version's model data, None if it may.

    Returns:
        The plan, None if there is nothing to do, and the reason in words.

    Raises:
        DeploymentRefusedError: The version that was asked for may not be deployed, or what serves
            may not, and nothing can take its place.
        NoSuchVersionError: It does not exist.
        InvalidNameError: The endpoint's name is none.
    """

    def names_of(version: Version) -> Names:
        return requests.names_of(version, endpoint=endpoint_name, size=size, role_arn=role_arn)

    naming.deployment_stem(endpoint_name)
    asked = None if wanted is None else versions.version_asked_for(client, group, wanted)
    if asked is not None and asked.is_deployable and (lack := why_not(asked)):
        raise DeploymentRefusedError(f"version {asked.number} cannot be deployed: {lack}")
    if asked and (why := objection(asked)):
        log.warning("version %d was asked for, though %s", asked.number, why)
    endpoint = endpoints.find(client, endpoint_name)
    last = endpoint.verified if endpoint else None
    verified = endpoints.version_of(client, last, endpoint_name, group=group) if last else None
    passed = endpoint.passed_over if endpoint else ""
    approved = versions.deployable(client, group)
    if verified is not None and not verified.is_deployable:
        log.warning("%s", said_of(verified))
    choice = choose(
        first_usable(
            in_turn(approved, passed, with_passed=is_rejected(verified)),
            lambda version: objection(version) or why_not(version),
        ),
        asked=asked,
        endpoint=endpoint,
        verified=verified,
        served=endpoints.version_of(client, endpoint.config, endpoint_name, group=group)
        if endpoint and endpoint.config
        else None,
        is_there=last is not None and endpoints.is_there(client, last, with_models=True),
        is_lost=verified is not None and no_data(verified) is not None,
        config_of=lambda version: names_of(version).config,
        is_resizing=is_resizing,
    )
    version = choice.version
    if version is None and not choice.is_restoring:
        return None, choice.reason + said_of_passed(approved, passed, verified)
    names = names_of(version) if version else None
    config = names.config if names else ""
    if endpoint and choice.is_flipping:
        config = endpoint.config
    if last and choice.is_restoring:
        config = last
    return (
        Plan(
            endpoint_name=endpoint_name,
            group=group,
            version_arn=version.arn if version else "",
            version_number=version.number if version else 0,
            snapshot=version.snapshot if version else "",
            report_uri=version.report_uri if version else "",
            model_name=names.model if names else "",
            config_name=config,
            previous_config=last,
            previous_arn=verified.arn if verified else "",
            passed_over=passed
            if choice.is_restoring
            else passed_over.tag_of(
                item.number
                for item in approved
                if version
                and item.age > version.age
                and (asked is not None or passed_over.covers(passed, item.number))
            ),
            is_restoring=choice.is_restoring,
            is_flipping=choice.is_flipping,
            tolerance=version.tolerance
            if version and version.tolerance is not None
            else DEFAULT_TOLERANCE,
            alarm=choice.alarm,
        ),
        choice.reason,
    )


def read_plan(content: Mapping[str, Any]) -> Plan:
    """Return the plan that ``asdict`` gave to another task."""
    return Plan(**content)


def size_of(params: Mapping[str, Any]) -> Size:
    """Return what a run's parameters say about the size of an endpoint."""
    return Size(
        memory_size_mb=params["memory_size_mb"],
        max_concurrency=params["max_concurrency"],
        instance_type=params["instance_type"],
    )
