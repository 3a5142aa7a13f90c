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


def test_the_defaults_lead_to_the_projects_scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETRAINING_BUCKET", "a-bucket")
    monkeypatch.setenv("RETRAINING_ROLE_ARN", ROLE)
    assert (settings().scripts_folder / "california_housing" / "train.py").is_file()
    assert settings().image_uri is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RETRAINING_BUCKET", ""),
        ("RETRAINING_BUCKET", "s3://a-bucket"),
        ("RETRAINING_ROLE_ARN", "retraining"),
        ("RETRAINING_GIT_COMMIT", "main; rm"),
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
