"""A session's token holds what it is for, and cannot be changed."""

from __future__ import annotations

import base64
import time

import pytest

from local_sagemaker.access.sessions import RoleSession, SessionError, Sessions

ROLE = "arn:aws:iam::123456789012:role/team/jobs"
NIGHT = RoleSession(ROLE, "AROA1", "night", 1.0, time.time() + 86_400, policy="{}")
JOB = RoleSession(ROLE, "AROA1", "SageMaker", 1.0, None)


def test_a_session_comes_back_also_after_a_restart() -> None:
    keys = Sessions(b"seal").keys(NIGHT)
    for sessions in (Sessions(b"seal"), Sessions(b"seal")):
        read = sessions.read(keys.access_key, keys.token)
        assert (read.role, read.name, read.policy) == (ROLE, "night", "{}")
        assert read.arn == "arn:aws:sts::123456789012:assumed-role/jobs/night"
        assert sessions.secret(keys.access_key) == keys.secret


def test_a_jobs_session_ends_with_its_server() -> None:
    sessions = Sessions(b"seal")
    keys = sessions.keys(JOB)
    assert sessions.read(keys.access_key, keys.token).name == "SageMaker"
    with pytest.raises(SessionError) as refused:
        Sessions(b"seal").read(keys.access_key, keys.token)
    assert refused.value.expired


@pytest.mark.parametrize("change", ["token", "key", "seal", "cut", "not base64", "not ascii"])
def test_a_token_that_was_changed_is_nobodys(change: str) -> None:
    sessions = Sessions(b"seal")
    keys = sessions.keys(NIGHT)
    access_key, token = keys.access_key, keys.token
    if change == "token":
        token = base64.urlsafe_b64encode(
            base64.urlsafe_b64decode(token).replace(b"night", b"knight")
        ).decode()
    elif change == "key":
        access_key = sessions.keys(JOB).access_key
    elif change == "seal":
        sessions = Sessions(b"another")
    else:
        token = {"cut": token[:40], "not base64": "a", "not ascii": "é"}[change]
    with pytest.raises(SessionError) as refused:
        sessions.read(access_key, token)
    assert not refused.value.expired


def test_a_session_ends_in_time() -> None:
    sessions = Sessions(b"seal")
    keys = sessions.keys(RoleSession(ROLE, "AROA1", "night", 1.0, time.time() - 1))
    with pytest.raises(SessionError) as refused:
        sessions.read(keys.access_key, keys.token)
    assert refused.value.expired
