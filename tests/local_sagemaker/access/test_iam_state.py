"""IAM's state on disk: what the disk refuses has not happened."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from local_sagemaker.access.iam_state import IamState
from local_sagemaker.store import Store

if TYPE_CHECKING:
    from pathlib import Path

FULL = "CREATE TRIGGER full BEFORE INSERT ON iam BEGIN SELECT RAISE(ABORT, 'disk is full'); END"


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
    store.execute(FULL)
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


def test_a_client_is_told_what_the_disk_refuses(
    run_embedded_sagemaker: Any, tmp_path: Path
) -> None:
    with run_embedded_sagemaker(tmp_path / "state") as server:
        iam = boto3.client(
            "iam",
            endpoint_url=server.url,
            region_name="us-east-1",
            aws_access_key_id="any",
            aws_secret_access_key="any",
            config=Config(retries={"max_attempts": 0}),
        )
        iam.create_user(UserName="kept")
        with closing(sqlite3.connect(tmp_path / "state" / "state.sqlite")) as disk:
            disk.execute(FULL)
            with pytest.raises(ClientError, match=r"ServiceFailure.*disk is full"):
                iam.create_user(UserName="lost")
            disk.execute("DROP TRIGGER full")
        assert [user["UserName"] for user in iam.list_users()["Users"]] == ["kept"]
        assert iam.create_user(UserName="lost")
