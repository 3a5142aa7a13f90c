"""Which version an endpoint should serve, and the plan that brings it there."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from retraining import naming
from retraining.deployment import endpoints, requests
from retraining.deployment.requests import Size
from retraining.deployment.smoke import DEFAULT_TOLERANCE
from retraining.registry import versions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mypy_boto3_sagemaker import SageMakerClient

    from retraining.deployment.endpoints import Endpoint
    from retraining.registry.versions import Version

log = logging.getLogger(__name__)


class DeploymentRefusedError(Exception):
    """A version must not be deployed, or not like this; a retry would be refused too."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What is to be done with an endpoint.

    Attributes:
        version: The version to deploy; None if nothing is.
        is_restoring: The last verified config is put back, as an interrupted deployment has left
            another one; ``version`` is what it serves, where that is known.
        reason: Why, in words.
    """

    version: Version | None
    is_restoring: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run does, settled before it changes anything; JSON can carry it.

    Attributes:
        endpoint_name: The endpoint.
        version_arn: The version that is deployed; "" if a config of unknown version is restored.
        version_number: Its number; 0 if unknown.
        snapshot: The date of its data.
        report_uri: Its evaluation report.
        model_name: Its model.
        config_name: Its endpoint config.
        previous_config: The last verified config, to flip back to; None if there is none.
        passed_over: The newest version that a person passes over, or did before this.
        is_restoring: Whether model and config are only put back.
        tolerance: How far a number may be from what evaluation predicted, as the version says.
    """

    endpoint_name: str
    version_arn: str
    version_number: int
    snapshot: str
    report_uri: str
    model_name: str
    config_name: str
    previous_config: str | None
    passed_over: str | None
    is_restoring: bool
    tolerance: float = DEFAULT_TOLERANCE


def choose(
    newest: Version | None,
    *,
    asked: Version | None,
    endpoint: Endpoint | None,
    verified: Version | None,
    passed_over: Version | None,
    config_of: Callable[[Version], str],
    is_resizing: bool,
) -> Choice:
    """Decide what an endpoint should serve. Pure, but for ``config_of``'s naming.

    Args:
        newest: The approved version with the newest snapshot.
        asked: The version that a person asked for.
        endpoint: The endpoint; None if it does not exist.
        verified: The version of the endpoint's last verified config.
        passed_over: The newest version that a person passed over by rolling back.
        config_of: Names the config of a version.
        is_resizing: Whether a person asked for a size, too: then the same version in another size
            is something to do.

    Raises:
        DeploymentRefusedError: The version that was asked for is not approved, or incomplete.
    """
    if asked is not None:
        check_deployable(asked)
    target = asked or newest
    if target is None:
        return _stay(endpoint, verified, "no version is approved")
    is_kept = verified is not None and verified.arn == target.arn
    if endpoint is not None and endpoint.is_sound:
        is_as_asked = endpoint.config == config_of(target)
        if is_as_asked or (is_kept and asked is None and not is_resizing):
            return Choice(None, False, f"version {target.number} serves already")
    if asked is None and verified is not None and target.age < verified.age:
        why = f"version {target.number} is older than what serves, version {verified.number}"
        return _stay(endpoint, verified, why)
    if asked is None and not is_kept and passed_over and target.age <= passed_over.age:
        why = (
            f"version {target.number} was passed over by hand, by rolling back; ask for it with"
            " the parameter version"
        )
        return _stay(endpoint, verified, why)
    return Choice(target, False, f"version {target.number} of snapshot {target.snapshot}")


def _stay(endpoint: Endpoint | None, verified: Version | None, why: str) -> Choice:
    if endpoint is None or endpoint.is_sound:
        return Choice(None, False, why)
    if endpoint.verified is None:
        return Choice(
            None,
            False,
            f"{why}; {endpoint.name} is {endpoint.status} with {endpoint.config}, which was never"
            " verified: delete it, or approve a version",
        )
    return Choice(
        verified,
        True,
        f"{why}; an interrupted deployment left {endpoint.name} {endpoint.status} with"
        f" {endpoint.config}, so {endpoint.verified}, the last that was verified, is put back",
    )


def check_deployable(version: Version) -> None:
    """Make sure that a version is approved and complete.

    Raises:
        DeploymentRefusedError: It is not.
    """
    if not version.is_deployable:
        raise DeploymentRefusedError(
            f"version {version.number} is {version.approval} and {version.status}"
            + (f" ({version.approval_reason})" if version.approval_reason else "")
            + f": only Approved and Completed versions are deployed. {version.arn}"
        )


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
) -> tuple[Plan | None, str]:
    """Look at registry and endpoint, and settle what is to be done.

    Args:
        client: The client.
        group: The model package group.
        endpoint_name: The endpoint.
        wanted: The version that a person asked for: its number or ARN; None if nobody did.
        size: Of the endpoint.
        role_arn: Of the model.
        is_resizing: See ``choose``.
        objection: Says why a version is not deployed unasked; who asks for it gets it.

    Returns:
        The plan, None if there is nothing to do, and the reason in words.

    Raises:
        DeploymentRefusedError: The version that was asked for may not be deployed.
        NoSuchVersionError: It does not exist.
        InvalidNameError: The endpoint's name is none.
    """

    def model_of(version: Version) -> str:
        return requests.model_name(
            endpoint_name,
            version.number,
            arn=version.arn,
            containers=version.containers,
            role_arn=role_arn,
        )

    def config_of(version: Version) -> str:
        return requests.config_name(
            endpoint_name, version.number, model_name=model_of(version), size=size
        )

    naming.deployment_stem(endpoint_name)
    asked = None if wanted is None else versions.version_asked_for(client, group, wanted)
    if asked and (why := objection(asked)):
        log.warning("version %d was asked for, though %s", asked.number, why)
    newest = versions.newest_deployable(client, group, objection=objection)
    endpoint = endpoints.find(client, endpoint_name)
    last = endpoint.verified if endpoint else None
    verified = endpoints.version_of_config(client, last) if last else None
    passed = (
        versions.find(client, endpoint.passed_over) if endpoint and endpoint.passed_over else None
    )
    if verified and not verified.is_deployable:
        log.warning(
            "version %d serves though it is %s (%s)",
            verified.number,
            verified.approval,
            verified.approval_reason,
        )
    choice = choose(
        newest,
        asked=asked,
        endpoint=endpoint,
        verified=verified,
        passed_over=passed,
        config_of=config_of,
        is_resizing=is_resizing,
    )
    version = choice.version
    if version is None and not choice.is_restoring:
        return None, choice.reason
    newer = [
        item
        for item in (newest if asked else None, passed)
        if item and (choice.is_restoring or (version and version.age < item.age))
    ]
    restored = last if choice.is_restoring else None
    return (
        Plan(
            endpoint_name=endpoint_name,
            version_arn=version.arn if version else "",
            version_number=version.number if version else 0,
            snapshot=version.snapshot if version else "",
            report_uri=version.report_uri if version else "",
            model_name=model_of(version) if version else "",
            config_name=restored or config_of(version),  # type: ignore[arg-type] # one is there
            previous_config=last,
            passed_over=max(newer, key=lambda item: item.age).arn if newer else None,
            is_restoring=choice.is_restoring,
            tolerance=version.tolerance
            if version and version.tolerance is not None
            else DEFAULT_TOLERANCE,
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
