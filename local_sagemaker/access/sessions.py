"""Temporary credentials of roles: nothing of them is kept, as the session's token holds it all.

The token is sealed with a secret of this server, and the secret access key follows from the access
key; a client can read its token, and change nothing in it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class RoleSession:
    """A role as somebody has assumed it.

    Attributes:
        role: The role's ARN.
        role_id: Its unique id: another role of the same name is another one.
        name: The session's.
        issued: In epoch seconds.
        expires: In epoch seconds; None for a job's, which ends with its server.
        policy: What the session was narrowed to; None if it was not.
        run: Of the server that gave it; known when its keys are given.
    """

    role: str
    role_id: str
    name: str
    issued: float
    expires: float | None
    policy: str | None = None
    run: str = ""

    @property
    def arn(self) -> str:
        """The principal, as the service's messages name it."""
        account, role = self.role.split(":")[4], self.role.rpartition("/")[2]
        return f"arn:aws:sts::{account}:assumed-role/{role}/{self.name}"


@dataclass(frozen=True, slots=True)
class SessionKeys:
    """What a client needs to call as a session.

    Attributes:
        access_key: Begins with ASIA, as temporary ones do.
        secret: The secret access key.
        token: The session token.
    """

    access_key: str
    secret: str
    token: str

    @property
    def variables(self) -> Mapping[str, str]:
        """What AWS's clients read from their environment."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_SESSION_TOKEN": self.token,
        }


class SessionError(Exception):
    """A token that this server did not give, not with that key, or that has expired."""

    def __init__(self, *, expired: bool) -> None:
        super().__init__("expired" if expired else "invalid")
        self.expired = expired


class Sessions:
    """Gives and reads temporary credentials."""

    def __init__(self, seal: bytes) -> None:
        self._seal = seal
        self._run = secrets.token_hex(8)

    def keys(self, session: RoleSession) -> SessionKeys:
        """Return credentials for a session."""
        content = json.dumps(asdict(replace(session, run=self._run))).encode()
        mac = self._mac(b"token", content)
        token = base64.urlsafe_b64encode(mac + content).decode()
        access_key = self._access_key(mac)
        return SessionKeys(access_key, self.secret(access_key), token)

    def secret(self, access_key: str) -> str:
        """Return the secret access key of a temporary access key."""
        return base64.b64encode(self._mac(b"secret", access_key.encode())).decode()[:40]

    def read(self, access_key: str, token: str) -> RoleSession:
        """Return the session of a token.

        Raises:
            SessionError: See there.
        """
        try:
            sealed = base64.b64decode(token, altchars=b"-_", validate=True)
        except ValueError as error:
            raise SessionError(expired=False) from error
        mac, content = sealed[:32], sealed[32:]
        genuine = hmac.compare_digest(mac, self._mac(b"token", content))
        if not genuine or access_key != self._access_key(mac):
            raise SessionError(expired=False)
        session = RoleSession(**json.loads(content))
        over = (
            session.run != self._run if session.expires is None else session.expires < time.time()
        )
        if over:
            raise SessionError(expired=True)
        return session

    def _access_key(self, mac: bytes) -> str:
        return f"ASIA{base64.b32encode(mac).decode()[:16]}"

    def _mac(self, what: bytes, content: bytes) -> bytes:
        return hmac.new(self._seal, what + b"\0" + content, hashlib.sha256).digest()
