from __future__ import annotations

import json
import os
import stat
from typing import TYPE_CHECKING

from cryptography.fernet import Fernet

from local_stack.programs.keys import keys, write_passwords, write_private

if TYPE_CHECKING:
    from pathlib import Path


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_secrets_are_made_once(tmp_path: Path) -> None:
    path = tmp_path / "up" / "secrets.json"
    assert keys(path) == keys(path)


def test_every_place_has_its_own(tmp_path: Path) -> None:
    here, there = keys(tmp_path / "a"), keys(tmp_path / "b")
    for name in here.__slots__:
        assert getattr(here, name) != getattr(there, name)


def test_the_fernet_key_is_one(tmp_path: Path) -> None:
    fernet = Fernet(keys(tmp_path / "secrets.json").fernet)
    assert fernet.decrypt(fernet.encrypt(b"text")) == b"text"


def test_only_the_owner_can_read_them_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        made = keys(tmp_path / "up" / "secrets.json")
        write_passwords(tmp_path / "up" / "passwords.json", made)
    finally:
        os.umask(before)

    assert mode(tmp_path / "up") == 0o700
    assert mode(tmp_path / "up" / "secrets.json") == 0o600
    assert mode(tmp_path / "up" / "passwords.json") == 0o600
    passwords = json.loads((tmp_path / "up" / "passwords.json").read_text())
    assert passwords == {"admin": made.password}


def test_a_file_that_was_readable_becomes_private(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    path.chmod(0o644)
    write_private(path, "new")
    assert (path.read_text(), mode(path)) == ("new", 0o600)
    assert list(tmp_path.iterdir()) == [path]
