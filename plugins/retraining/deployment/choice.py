"""Which version an endpoint should serve."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeGuard

from retraining.deployment import passed_over
from retraining.registry import versions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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
        is_flipping: ``version`` was found bad, and an interrupted run has not flipped it back.
        alarm: What people are told besides: a version serves that was rejected; or "".
    """

    version: Version | None
    is_restoring: bool
    reason: str
    is_flipping: bool = False
    alarm: str = ""


def in_turn(approved: Sequence[Version], passed: str, *, with_passed: bool) -> list[Version]:
    """Return the versions that may be deployed unasked, the first to be tried first.

    Args:
        approved: All that are approved, the newest first.
        passed: The endpoint's tag of the versions that a person passed over.
        with_passed: Whether those come last, and not at all else.
    """
    others: list[Version] = []
    last: list[Version] = []
    for version in approved:
        (last if passed_over.covers(passed, version.number) else others).append(version)
    return others + last if with_passed else others


def first_usable(
    candidates: Sequence[Version], why_not: Callable[[Version], str | None]
) -> Version | None:
    """Return the first that lacks nothing; others are passed over with a warning."""
    for version in candidates:
        lack = why_not(version)
        if lack is None:
            return version
        log.warning("version %d is passed over: %s. %s", version.number, lack, version.arn)
    return None


def said_of_passed(approved: Sequence[Version], passed: str, verified: Version | None) -> str:
    """Return the end of a sentence about the newest one that a person passed over; or ""."""
    skipped = [
        item
        for item in approved
        if passed_over.covers(passed, item.number) and verified and item.age > verified.age
    ]
    if not skipped:
        return ""
    return (
        f"; version {skipped[0].number} was passed over by hand, by rolling back: ask for it with"
        " the parameter version"
    )


def choose(
    newest: Version | None,
    *,
    asked: Version | None,
    endpoint: Endpoint | None,
    verified: Version | None,
    served: Version | None,
    is_there: bool,
    is_lost: bool,
    config_of: Callable[[Version], str],
    is_resizing: bool,
) -> Choice:
    """Decide what an endpoint should serve. Pure, but for ``config_of``'s naming.

    Args:
        newest: The first of the versions that may be deployed unasked.
        asked: The version that a person asked for.
        endpoint: The endpoint; None if it does not exist.
        verified: The version of the endpoint's last verified config.
        served: The version of the endpoint's config.
        is_there: Whether the verified config still exists.
        is_lost: Whether no endpoint can come to that version any more, as its model data is gone.
        config_of: Names the config of a version.
        is_resizing: Whether a person asked for a size, too: then the same version in another size
            is something to do.

    Raises:
        DeploymentRefusedError: The version that was asked for is not approved, or incomplete; or
            one that was rejected or never verified serves, and no other may take its place.
    """
    if asked is not None:
        check_deployable(asked)
    if is_lost and endpoint is not None and not endpoint.is_sound:
        # Nobody can come back to it: it keeps none from its place, and is not put back.
        verified, is_there = None, False
    target = asked or newest
    if target is None:
        return _stay(
            endpoint, verified, served, "no approved version is to be deployed", is_there=is_there
        )
    is_kept = verified is not None and verified.arn == target.arn
    if endpoint is not None and endpoint.is_sound:
        is_as_asked = endpoint.config == config_of(target)
        if is_as_asked or (is_kept and asked is None and not is_resizing):
            return Choice(None, False, f"version {target.number} serves already")
    told = f"version {target.number} of snapshot {target.snapshot}"
    if is_rejected(verified):
        # It keeps none from its place, however old.
        if endpoint is None or not endpoint.is_sound:
            return Choice(target, False, told)
        told = f"{said_of(verified)}; {told} takes its place"
        return Choice(target, False, told, alarm=told)
    why = ""
    if asked is None and verified is not None and target.age < verified.age:
        why = f"version {target.number} is older than what serves, version {verified.number}"
    elif asked is None and is_kept and not is_resizing and served and served.arn != target.arn:
        why = f"version {target.number} is the one to serve"
    if why:
        return _stay(endpoint, verified, served, why, is_there=is_there)
    return Choice(target, False, told)


def _stay(
    endpoint: Endpoint | None,
    verified: Version | None,
    served: Version | None,
    why: str,
    *,
    is_there: bool,
) -> Choice:
    if endpoint is None:
        return Choice(None, False, why)
    if endpoint.is_sound:
        if is_rejected(verified):
            raise DeploymentRefusedError(
                f"{said_of(verified)}, and no other version can take its place: it goes on"
                " serving. Approve another one, or this one again, or delete the endpoint"
                f" {endpoint.name}"
            )
        return Choice(None, False, why)
    left = f"{why}; {endpoint.name} is {endpoint.status} with {endpoint.config}"
    if endpoint.verified is not None and is_there:
        return Choice(
            verified,
            True,
            f"{left}, as an interrupted deployment left it, so {endpoint.verified}, the last that"
            " was verified, is put back",
        )
    if endpoint.verified is not None and verified is not None and verified.is_deployable:
        return Choice(
            verified,
            False,
            f"{left}; {endpoint.verified}, the last that was verified, was deleted, so its version"
            f" {verified.number} is deployed anew",
        )
    if endpoint.verified is None and is_rejected(served):
        told = f"version {served.number} is Rejected ({served.approval_reason}), and an interrupted"
        told += f" deployment left {endpoint.name} {endpoint.status} with it"
        return Choice(served, False, told, is_flipping=True)
    gone = f" ({endpoint.verified}, which was, is gone)" if endpoint.verified else ""
    left = f"{left}, which was never verified{gone}: delete it, or approve a version"
    if endpoint.answering_config:
        raise DeploymentRefusedError(f"{left}. Until then it goes on serving")
    return Choice(None, False, left)


def is_rejected(version: Version | None) -> TypeGuard[Version]:
    """Say whether a version is known and rejected; one that waits for its approval is not."""
    return version is not None and version.approval == versions.REJECTED


def said_of(version: Version) -> str:
    """Return a sentence about a version that serves and is not approved."""
    reason = f" ({version.approval_reason})" if version.approval_reason else ""
    return f"version {version.number} serves though it is {version.approval}{reason}"


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
