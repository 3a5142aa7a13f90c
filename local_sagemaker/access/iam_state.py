"""Keeps moto's IAM on disk: users with their access keys, groups, roles and policies.

What is kept and what is not stands in README.md.
"""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from moto.iam.models import (
    AccessKey,
    Group,
    ManagedPolicy,
    PolicyVersion,
    Role,
    User,
    iam_backends,
)

from local_sagemaker import ACCOUNT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from moto.iam.models import IAMBackend

    from local_sagemaker.store import Store

# Kind and name to the document.
_Documents = dict[tuple[str, str], str]
# In this order: what names others comes after them.
_POLICY, _USER, _GROUP, _ROLE = "1 policy", "2 user", "3 group", "4 role"
_REGION = "us-east-1"


class IamState:
    """moto's IAM of this account, and its copy on disk.

    Attributes:
        lock: Held by whoever reads or changes moto's IAM: moto itself does not lock.
    """

    def __init__(self, store: Store) -> None:
        self.lock = threading.RLock()
        self._store = store
        self._written: _Documents = {}

    @property
    def backend(self) -> IAMBackend:
        """Moto's IAM of this account."""
        return iam_backends[ACCOUNT]["aws"]

    def load(self) -> None:
        """Fill moto with what the disk holds."""
        rows = self._store.execute("SELECT kind, name, document FROM iam ORDER BY kind, name")
        with self.lock:
            self._written = {(str(kind), str(name)): str(text) for kind, name, text in rows}
            self._restore()

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Let moto change what it likes, and write it to disk; or neither.

        Raises:
            OSError: The disk refuses it, also sqlite3.Error; moto is as it was before.
        """
        with self.lock:
            try:
                yield
                self._write()
            except BaseException:
                self._restore()
                raise

    def _write(self) -> None:
        found = _documents(self.backend)
        with self._store.transaction():
            for kind, name in self._written.keys() - found.keys():
                self._store.execute("DELETE FROM iam WHERE kind = ? AND name = ?", kind, name)
            for (kind, name), document in found.items() - self._written.items():
                self._store.execute(
                    "INSERT OR REPLACE INTO iam VALUES (?, ?, ?)", kind, name, document
                )
        self._written = found

    def _restore(self) -> None:
        backend = self.backend
        backend.reset()
        for (kind, _), document in sorted(self._written.items()):
            _RESTORE[kind](self.backend, json.loads(document))


def _documents(backend: IAMBackend) -> _Documents:
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for policy in backend.managed_policies.values():
        if f":{ACCOUNT}:" in policy.arn:  # the others are AWS's own
            found[_POLICY, policy.arn] = {
                **_plain(policy, "name", "id", "path", "description", "tags", "next_version_num"),
                "created": policy.create_date.isoformat(),
                "changed": policy.update_date.isoformat(),
                "versions": [
                    {
                        **_plain(version, "document", "is_default", "version_id"),
                        "created": version.create_date.isoformat(),
                    }
                    for version in policy.versions
                ],
            }
    for user in backend.users.values():
        found[_USER, user.name] = {
            **_principal(user),
            "tags": user.tags or [],
            "keys": [
                {
                    **_plain(key, "access_key_id", "secret_access_key", "status"),
                    "created": key.create_date.isoformat(),
                }
                for key in user.access_keys
            ],
        }
    for group in backend.groups.values():
        users = [user.name for user in group.users]
        found[_GROUP, group.name] = {**_principal(group), "users": users}
    for role in backend.roles.values():
        found[_ROLE, role.name] = {
            **_principal(role),
            **_plain(role, "assume_role_policy_document", "description", "tags"),
            **_plain(role, "permissions_boundary_arn", "max_session_duration", "_linked_service"),
        }
    return {place: json.dumps(document) for place, document in found.items()}


def _plain(thing: object, *names: str) -> dict[str, Any]:
    return {name: getattr(thing, name) for name in names}


def _principal(principal: User | Group | Role) -> dict[str, Any]:
    return {
        **_plain(principal, "name", "id", "path", "policies"),
        "managed": list(principal.managed_policies),
        "created": principal.create_date.isoformat(),
    }


def _restore_principal(
    backend: IAMBackend, principal: User | Group | Role, known: dict[str, Any]
) -> None:
    principal.id = known["id"]
    principal.create_date = datetime.fromisoformat(known["created"])
    principal.policies = known["policies"]
    for arn in known["managed"]:
        # One of AWS's own that this moto does not know grants nothing.
        if policy := backend.managed_policies.get(arn):
            policy.attach_to(principal)


def _restore_policy(backend: IAMBackend, known: dict[str, Any]) -> None:
    policy = ManagedPolicy(  # type: ignore[abstract]  # as moto makes it
        known["name"],
        account_id=ACCOUNT,
        region=_REGION,
        description=known["description"],
        path=known["path"],
        tags=known["tags"],
    )
    policy.id, policy.next_version_num = known["id"], known["next_version_num"]
    policy.versions = [
        PolicyVersion(
            policy.arn,
            version["document"],
            version["is_default"],
            version["version_id"],
            datetime.fromisoformat(version["created"]),
        )
        for version in known["versions"]
    ]
    default = next(version for version in policy.versions if version.is_default)
    policy.default_version_id = default.version_id
    policy.create_date = datetime.fromisoformat(known["created"])
    policy.update_date = datetime.fromisoformat(known["changed"])
    backend.managed_policies[policy.arn] = policy


def _restore_user(backend: IAMBackend, known: dict[str, Any]) -> None:
    user = backend.create_user(_REGION, known["name"], known["path"], known["tags"])
    _restore_principal(backend, user, known)
    for told in known["keys"]:
        key = AccessKey(  # type: ignore[abstract]  # as moto makes it
            user.name, prefix="AKIA", account_id=ACCOUNT, status=told["status"]
        )
        key.access_key_id, key.secret_access_key = told["access_key_id"], told["secret_access_key"]
        key.create_date = datetime.fromisoformat(told["created"])
        user.access_keys.append(key)
        backend.access_keys[key.access_key_id] = key


def _restore_group(backend: IAMBackend, known: dict[str, Any]) -> None:
    group = backend.create_group(known["name"], known["path"])
    _restore_principal(backend, group, known)
    for name in known["users"]:
        backend.add_user_to_group(group.name, name)


def _restore_role(backend: IAMBackend, known: dict[str, Any]) -> None:
    role = Role(  # type: ignore[abstract]  # as moto makes it
        ACCOUNT,
        "aws",
        known["id"],
        known["name"],
        known["assume_role_policy_document"],
        known["path"],
        known["permissions_boundary_arn"],
        known["description"],
        known["tags"],
        known["max_session_duration"],
        known["_linked_service"],
    )
    _restore_principal(backend, role, known)
    backend.roles[role.id] = role


_RESTORE = {
    _POLICY: _restore_policy,
    _USER: _restore_user,
    _GROUP: _restore_group,
    _ROLE: _restore_role,
}
