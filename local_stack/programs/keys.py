"""The secrets of one place: made once, kept in files that only their owner can read."""

from __future__ import annotations

import base64
import json
import os
import secrets
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

# The one account of a local Airflow.
ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Keys:
    """What an Airflow keeps to itself.

    Attributes:
        fernet: Encrypts connections in the database.
        jwt: Signs the tokens of people and tasks.
        session: Signs the UI's sessions.
        password: The administrator's.
    """

    fernet: str
    jwt: str
    session: str
    password: str


def keys(path: Path) -> Keys:
    """Return the place's secrets, made at the first call.

    Args:
        path: The file that keeps them.
    """
    try:
        return Keys(**json.loads(path.read_text()))
    except FileNotFoundError:
        made = Keys(
            fernet=base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            jwt=secrets.token_urlsafe(64),
            session=secrets.token_urlsafe(32),
            password=secrets.token_urlsafe(12),
        )
        write_private(path, json.dumps(asdict(made)))
        return made


def write_passwords(path: Path, made: Keys) -> None:
    """Write the file from which Airflow's simple auth manager reads passwords."""
    write_private(path, json.dumps({ADMIN: made.password}))


def write_private(path: Path, text: str) -> None:
    """Write a file that was never readable for anybody else, whole or not at all."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    with open(unfinished, "w", encoding="utf-8", opener=_open_private) as file:
        file.write(text)
    unfinished.replace(path)


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o600)
