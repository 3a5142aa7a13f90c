"""IAM's state on disk: what the disk refuses has not happened."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest

from local_sagemaker.access.iam_state import IamState
from local_sagemaker.store import Store

if TYPE_CHECKING:
    from pathlib import Path


def change(state: IamState, access_key: str) -> None:
    with state.changing():
        state.backend.create_user("us-east-1", "lost")
        state.backend.delete_access_key(access_key, "kept")


def test_what_the_disk_refuses_has_not_happened(tmp_path: Path) -> None:
    store = Store(tmp_path / "state.sqlite")
    state = IamState(store)
    state.load()
    with state.changing():
        state.backend.create_user("us-east-1", "kept")
        key = state.backend.create_access_key("kept")
    store.execute(
        "CREATE TRIGGER full BEFORE INSERT ON iam BEGIN SELECT RAISE(ABORT, 'disk is full'); END"
    )
    with pytest.raises(sqlite3.Error, match="disk is full"):
        change(state, key.access_key_id)
    assert list(state.backend.users) == ["kept"]
    assert state.backend.access_keys[key.access_key_id].secret_access_key == key.secret_access_key
    again = IamState(store)
    again.load()
    assert list(again.backend.users) == ["kept"]
    store.execute("DROP TRIGGER full")
    with state.changing():
        state.backend.create_user("us-east-1", "later")
    again.load()
    assert sorted(again.backend.users) == ["kept", "later"]
    again.backend.reset()
