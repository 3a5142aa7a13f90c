from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from retraining.settings import SettingsError, job_pool, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

ROLE = "arn:aws:iam::123456789012:role/retraining"


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    settings.cache_clear()
    yield
    settings.cache_clear()


def test_what_is_not_set_is_left_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETRAINING_BUCKET", "a-bucket")
    monkeypatch.setenv("RETRAINING_ROLE_ARN", ROLE)
    assert settings().scripts_folder is None
    assert settings().image_uris == {}


def test_images_are_named_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETRAINING_BUCKET", "a-bucket")
    monkeypatch.setenv("RETRAINING_ROLE_ARN", ROLE)
    monkeypatch.setenv(
        "RETRAINING_IMAGE_URIS",
        "sklearn:1.4-2-py312=1.dkr.ecr.x.amazonaws.com/a:1, pytorch:2.9.0:inference=b@sha256:0,",
    )
    assert settings().image_uris == {
        "sklearn:1.4-2-py312": "1.dkr.ecr.x.amazonaws.com/a:1",
        "pytorch:2.9.0:inference": "b@sha256:0",
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RETRAINING_BUCKET", ""),
        ("RETRAINING_BUCKET", "s3://a-bucket"),
        ("RETRAINING_ROLE_ARN", "retraining"),
        ("RETRAINING_GIT_COMMIT", "main; rm"),
        ("RETRAINING_IMAGE_URIS", "an/image:1"),
        ("RETRAINING_IMAGE_URIS", "sklearn:1=a b"),
    ],
)
def test_a_bad_setting_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv("RETRAINING_BUCKET", "a-bucket")
    monkeypatch.setenv("RETRAINING_ROLE_ARN", ROLE)
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=name):
        settings()


def test_another_pool_may_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETRAINING_JOB_POOL", "gpu.jobs")
    assert job_pool() == "gpu.jobs"
    monkeypatch.setenv("RETRAINING_JOB_POOL", "a pool")
    with pytest.raises(SettingsError, match="RETRAINING_JOB_POOL='a pool'"):
        job_pool()
