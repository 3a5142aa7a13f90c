"""The policy evaluation logic, for one account and without service control policies.

An explicit deny wins; whatever is not allowed is denied; a permissions boundary and a session's
policies only take away. Where it cannot be told whether a statement speaks of a request, a Deny
does and an Allow does not, and the refusal says so. Source: the IAM User Guide, "Policy evaluation
logic".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from local_sagemaker.access.policies import Ask, PolicyError, read_policy

if TYPE_CHECKING:
    from collections.abc import Sequence

# Name and document.
Named = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Permissions:
    """All policies that one principal has.

    Attributes:
        identity: The principal's own and its groups'.
        boundary: The permissions boundary; None if there is none.
        session: What the session was narrowed to; None if it was not.
    """

    identity: tuple[Named, ...] = ()
    boundary: Named | None = None
    session: Named | None = None


@dataclass(frozen=True, slots=True)
class Denial:
    """Why a request is not allowed.

    Attributes:
        reason: The end of the service's message.
        explicit: A policy denies it; else none allows it.
    """

    reason: str
    explicit: bool


def denial(ask: Ask, permissions: Permissions) -> Denial | None:
    """Return why a request is not allowed; None if it is."""
    kinds = [
        ("an identity-based policy", "no identity-based policy", permissions.identity),
        *_single("a permissions boundary", "no permissions boundary", permissions.boundary),
        *_single("a session policy", "no session policy", permissions.session),
    ]
    results = [(denying, allowing, _look(ask, policies)) for denying, allowing, policies in kinds]
    for denying, _, look in results:
        if look.denied is not None:
            return Denial(f"with an explicit deny in {denying}{look.denied}", explicit=True)
    for _, allowing, look in reversed(results):
        if not look.allowed:
            told = f"because {allowing} allows the {ask.action} action{look.untold}"
            return Denial(told, explicit=False)
    return None


def trusts(document: str, ask: Ask) -> str | None:
    """Return why a role's trust policy does not let a principal in; None if it does."""
    look = _look(ask, (("the trust policy", document),), trust=True)
    if look.denied is not None:
        return f"with an explicit deny in the role's trust policy{look.denied}"
    if look.allowed:
        return None
    return f"because the role's trust policy does not allow the {ask.action} action{look.untold}"


@dataclass(frozen=True, slots=True)
class _Look:
    """What some policies say; `denied` and `untold` hold what could not be told of it."""

    allowed: bool
    denied: str | None
    untold: str


def _look(ask: Ask, policies: Sequence[Named], *, trust: bool = False) -> _Look:
    allowed, untold = False, ""
    for name, document in policies:
        try:
            statements = read_policy(document, trust=trust)
        except PolicyError as error:
            return _Look(allowed=False, denied=f" ({name} cannot be read: {error})", untold="")
        for statement in statements:
            concerns = statement.concerns(ask)
            told = ""
            if concerns is None:
                why = statement.problem or "a value that it asks for is not known here"
                told = f" ({name} cannot be evaluated: {why})"
            if concerns is not False and not statement.allows:
                return _Look(allowed=False, denied=told, untold="")
            allowed = allowed or (concerns is True and statement.allows)
            untold = untold or told
    return _Look(allowed=allowed, denied=None, untold=untold)


def _single(
    denying: str, allowing: str, policy: Named | None
) -> list[tuple[str, str, tuple[Named, ...]]]:
    return [(denying, allowing, (policy,))] if policy else []
