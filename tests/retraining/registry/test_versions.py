from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from retraining import naming
from retraining.registry import requests
from retraining.registry import versions as registry

from tests.retraining.declarations import pipeline

SINCE = datetime.now(UTC) - timedelta(hours=1)


@pytest.fixture(scope="module")
def client(embedded_sagemaker: Any) -> Any:
    embedded_sagemaker.client("s3").create_bucket(Bucket="registry-models")
    embedded_sagemaker.client("s3").put_object(
        Bucket="registry-models", Key="model.tar.gz", Body=b"x"
    )
    return embedded_sagemaker.client("sagemaker")


def request(group: str, mark: str, *, snapshot: str = "2026-11-20") -> dict[str, Any]:
    return requests.model_package(
        pipeline=pipeline(group),
        image_uri=(
            "683313688378.dkr.ecr.us-east-1.amazonaws.com/"
            "sagemaker-scikit-learn:1.4-2-py312-cpu-py3"
        ),
        model_uri="s3://registry-models/model.tar.gz",
        report_uri="s3://registry-models/evaluation.json",
        approval_status="PendingManualApproval",
        description="a model",
        metadata={registry.FINGERPRINT: mark, registry.SNAPSHOT: snapshot},
        git_commit=None,
        client_token=naming.client_token(group, mark),
    )


def test_a_group_is_made_once(client: Any) -> None:
    for _ in range(2):
        registry.ensure_group(client, "made-once", description="first")
    found = client.describe_model_package_group(ModelPackageGroupName="made-once")
    assert found["ModelPackageGroupDescription"] == "first"


def test_a_group_that_cannot_be_made_is_an_error(client: Any) -> None:
    with pytest.raises(client.exceptions.ClientError, match="modelPackageGroupName"):
        registry.ensure_group(client, "not a name", description="x")


def test_a_second_attempt_answers_with_the_version_that_exists(client: Any) -> None:
    registry.ensure_group(client, "twice", description="x")
    first = registry.register_once(client, request("twice", "a"), since=SINCE)
    second = registry.register_once(client, request("twice", "a"), since=SINCE)
    other = registry.register_once(client, request("twice", "b"), since=SINCE)
    assert (first.is_new, second.is_new, other.is_new) == (True, False, True)
    assert (first.number, second.number, other.number) == (1, 1, 2)


def test_attempts_at_once_make_one_version(client: Any) -> None:
    registry.ensure_group(client, "at-once", description="x")
    with ThreadPoolExecutor(8) as pool:
        versions = list(
            pool.map(
                lambda _: registry.register_once(client, request("at-once", "a"), since=SINCE),
                range(8),
            )
        )
    assert {version.number for version in versions} == {1}


def nothing(_: registry.Version) -> None:
    """Object to no version."""


def test_only_approved_versions_deploy_and_the_newest_snapshot_first(client: Any) -> None:
    group = "deployable"
    registry.ensure_group(client, group, description="x")
    assert registry.newest_deployable(client, group, objection=nothing) is None
    newer, older, pending = (
        registry.register_once(client, request(group, date, snapshot=date), since=SINCE)
        for date in ("2026-11-20", "2026-10-01", "2026-11-21")
    )
    registry.approve(client, newer.arn, reason="checked by hand")
    registry.approve(client, older.arn, reason="a backfill, approved later")
    found = registry.newest_deployable(client, group, objection=nothing)
    assert found is not None
    assert found.arn == newer.arn != pending.arn
    registry.reject(client, newer.arn, reason="predictions are off")
    found = registry.newest_deployable(client, group, objection=nothing)
    assert found is not None
    assert found.arn == older.arn
    described = client.describe_model_package(ModelPackageName=newer.arn)
    assert described["ApprovalDescription"] == "predictions are off"


def test_a_version_that_is_objected_to_is_passed_over_and_said(
    client: Any, caplog: pytest.LogCaptureFixture
) -> None:
    group = "objected-to"
    registry.ensure_group(client, group, description="x")
    newer, older = (
        registry.register_once(client, request(group, date, snapshot=date), since=SINCE)
        for date in ("2026-11-20", "2026-10-01")
    )
    for version in (newer, older):
        registry.approve(client, version.arn, reason="by a test")
    found = registry.newest_deployable(
        client, group, objection=lambda version: "it is off" if version.arn == newer.arn else None
    )
    assert found is not None
    assert found.arn == older.arn
    assert f"version {newer.number} is approved and not deployed unasked: it is off" in caplog.text


def test_a_version_is_found_by_number_and_by_arn(client: Any) -> None:
    group = "asked-for"
    with pytest.raises(registry.NoSuchVersionError, match="no model package group asked-for"):
        registry.version_asked_for(client, group, 1)
    registry.ensure_group(client, group, description="x")
    made = registry.register_once(client, request(group, "a"), since=SINCE)
    for wanted in (1, "1", made.arn):
        assert registry.version_asked_for(client, group, wanted).arn == made.arn
    other = made.arn.replace(group, "another")
    odd = ("١", "", "1" * 5_000, made.arn[:-1] + "١")
    for wanted in (2, "2", made.arn[:-1] + "2", other, "newest", made.arn + "/1", *odd):
        with pytest.raises(registry.NoSuchVersionError):
            registry.version_asked_for(client, group, wanted)


def test_a_group_that_does_not_exist_has_nothing_to_deploy(client: Any) -> None:
    assert registry.newest_deployable(client, "never-made", objection=nothing) is None


def test_a_reason_of_many_lines_is_written_on_one(client: Any) -> None:
    group = "reasons"
    registry.ensure_group(client, group, description="x")
    made = registry.register_once(client, request(group, "a"), since=SINCE)
    registry.reject(client, made.arn, reason="off:\n  row 1\n" + "x" * 2000)
    found = registry.describe(client, made.arn)
    assert found.approval_reason.startswith("off: row 1 x")
    assert len(found.approval_reason) == 1024
