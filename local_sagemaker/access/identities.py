"""Who may call: the account's root, users by their access keys, roles by their sessions."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING

from local_sagemaker import ACCOUNT
from local_sagemaker.access.evaluation import Permissions
from local_sagemaker.access.sessions import RoleSession, Sessions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from moto.iam.models import AccessKey, Group, ManagedPolicy, Role, User

    from local_sagemaker.access.iam_state import IamState
    from local_sagemaker.access.sessions import SessionKeys
    from local_sagemaker.access.signatures import Claim
    from local_sagemaker.store import Store

ROOT_ARN = f"arn:aws:iam::{ACCOUNT}:root"
_LONGEST_SESSION = 12 * 3600.0


class UnknownCallerError(Exception):
    """The access key is nobody's, or has been turned off or deleted."""


@dataclass(frozen=True, slots=True)
class Caller:
    """A principal.

    Attributes:
        arn: As messages name it.
        user_id: As GetCallerIdentity tells it.
        permissions: Its policies; None for the root, who may do everything.
        principals: How a trust policy may name it: kind and name.
        facts: Values of condition keys.
        user: The user's name; empty for others.
    """

    arn: str
    user_id: str
    permissions: Permissions | None
    principals: tuple[tuple[str, str], ...]
    facts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    user: str = ""


class Identities:
    """Finds out who calls, and gives roles to those who may have them."""

    def __init__(self, store: Store, iam: IamState) -> None:
        self._iam = iam
        self.root_key = _fact(store, "root-key", f"AKIA{secrets.token_hex(8).upper()}")
        self.root_secret = _fact(store, "root-secret", secrets.token_urlsafe(30))
        self._sessions = Sessions(_fact(store, "session-seal", secrets.token_hex(32)).encode())

    def secret_of(self, claim: Claim) -> str:
        """Return the secret that a request must have been signed with.

        Raises:
            UnknownCallerError: See there.
        """
        if claim.access_key == self.root_key:
            return self.root_secret
        if claim.token:
            return self._sessions.secret(claim.access_key)
        with self._iam.lock:
            _, key = self._holder(claim.access_key)
            return str(key.secret_access_key)

    def caller(self, claim: Claim) -> Caller:
        """Return who has signed a request; the signature has been checked.

        Raises:
            UnknownCallerError: See there.
            SessionError: See there.
        """
        if claim.access_key == self.root_key:
            return Caller(ROOT_ARN, ACCOUNT, None, _named(), _facts(ROOT_ARN, ACCOUNT, "Account"))
        if claim.token:
            return self.of_session(self._sessions.read(claim.access_key, claim.token))
        with self._iam.lock:
            return self._user(self._holder(claim.access_key)[0])

    def _holder(self, access_key: str) -> tuple[User, AccessKey]:
        for user in self._iam.backend.users.values():
            for key in user.access_keys:
                if key.access_key_id == access_key and key.status == "Active":
                    return user, key
        raise UnknownCallerError

    def of_session(self, session: RoleSession) -> Caller:
        """Return a role's session as a caller.

        Raises:
            UnknownCallerError: The role has been deleted.
        """
        with self._iam.lock:
            backend = self._iam.backend
            role = backend.roles.get(session.role_id)
            if role is None:
                raise UnknownCallerError
            boundary = role.permissions_boundary_arn
            user_id = f"{role.id}:{session.name}"
            issued = datetime.fromtimestamp(session.issued, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            return Caller(
                arn=session.arn,
                user_id=user_id,
                permissions=Permissions(
                    tuple(_policies(role)),
                    (boundary, self._document(boundary)) if boundary else None,
                    ("the session's policy", session.policy) if session.policy else None,
                ),
                principals=_named(session.arn, role.arn),
                facts={
                    **_facts(role.arn, user_id, "AssumedRole", role.tags),
                    "aws:tokenissuetime": (issued,),
                    "aws:multifactorauthpresent": ("false",),
                },
            )

    def role(self, arn: str) -> Role | None:
        """Return a role of this account."""
        with self._iam.lock:
            return next((one for one in self._iam.backend.roles.values() if one.arn == arn), None)

    def assume(
        self, role: Role, name: str, *, seconds: float | None, policy: str | None = None
    ) -> tuple[RoleSession, SessionKeys]:
        """Give a role to somebody who may have it.

        Args:
            role: The role.
            name: The session's.
            seconds: How long; None for as long as this server runs.
            policy: What the session is narrowed to.
        """
        now = time.time()
        expires = None if seconds is None else now + min(seconds, _LONGEST_SESSION)
        session = RoleSession(role.arn, role.id, name, now, expires, policy)
        return session, self._sessions.keys(session)

    def principal(self, arn: str) -> Caller | None:
        """Return a user or a role by its ARN, as it would call; None if there is none."""
        with self._iam.lock:
            if role := self.role(arn):
                return self.of_session(self.assume(role, "simulated", seconds=None)[0])
            users = self._iam.backend.users.values()
            user = next((one for one in users if one.arn == arn), None)
            return self._user(user) if user else None

    def _user(self, user: User) -> Caller:
        groups = [group for group in self._iam.backend.groups.values() if user in group.users]
        return Caller(
            arn=user.arn,
            user_id=user.id,
            permissions=Permissions((*_policies(user), *chain(*map(_policies, groups)))),
            principals=_named(user.arn),
            facts={
                **_facts(user.arn, user.id, "User", user.tags or []),
                "aws:username": (user.name,),
            },
            user=user.name,
        )

    def _document(self, arn: str) -> str:
        policy = self._iam.backend.managed_policies.get(arn)
        # A boundary that is not there allows nothing.
        return _default(policy) if policy else '{"Statement": []}'


def _fact(store: Store, name: str, made: str) -> str:
    store.execute("INSERT OR IGNORE INTO facts VALUES (?, ?)", name, made)
    return str(store.execute("SELECT value FROM facts WHERE name = ?", name)[0][0])


def _named(*arns: str) -> tuple[tuple[str, str], ...]:
    return tuple(("AWS", name) for name in (*arns, ROOT_ARN, ACCOUNT))


def _facts(
    arn: str, user_id: str, kind: str, tags: Sequence[Mapping[str, str]] = ()
) -> dict[str, tuple[str, ...]]:
    return {
        "aws:principalarn": (arn,),
        "aws:principalaccount": (ACCOUNT,),
        "aws:principaltype": (kind,),
        "aws:userid": (user_id,),
        **{f"aws:principaltag/{tag['Key'].lower()}": (tag["Value"],) for tag in tags},
    }


def _policies(principal: User | Group | Role) -> list[tuple[str, str]]:
    inline = [
        (f"{principal.name}'s policy {name}", held) for name, held in principal.policies.items()
    ]
    return inline + [(arn, _default(policy)) for arn, policy in principal.managed_policies.items()]


def _default(policy: ManagedPolicy) -> str:
    return str(next(version.document for version in policy.versions if version.is_default))
