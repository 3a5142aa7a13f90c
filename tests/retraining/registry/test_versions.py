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


def test_only_approved_versions_deploy_and_the_newest_snapshot_first(client: Any) -> None:
    group = "deployable"
    registry.ensure_group(client, group, description="x")
    assert registry.deployable(client, group) == []
    newer, older, pending = (
        registry.register_once(client, request(group, date, snapshot=date), since=SINCE)
        for date in ("2026-11-20", "2026-10-01", "2026-11-21")
    )
    registry.approve(client, newer.arn, reason="checked by hand")
    registry.approve(client, older.arn, reason="a backfill, approved later")
    found = registry.deployable(client, group)
    assert [version.arn for version in found] == [newer.arn, older.arn]
    assert pending.arn not in {newer.arn, older.arn}
    registry.reject(client, newer.arn, reason="predictions are off")
    assert [version.arn for version in registry.deployable(client, group)] == [older.arn]
    described = client.describe_model_package(ModelPackageName=newer.arn)
    assert described["ApprovalDescription"] == "predictions are off"


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
    assert registry.deployable(client, "never-made") == []


@pytest.mark.parametrize("snapshot", ["latest", "2026-13-01", "20261120", "٢٠٢٦-١١-٢٠", None])
def test_what_names_no_date_is_passed_over_with_a_warning(
    client: Any, snapshot: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    group = f"undated-{naming.fingerprint(snapshot)[:8]}"
    registry.ensure_group(client, group, description="x")
    dated = registry.register_once(client, request(group, "a", snapshot="2026-11-20"), since=SINCE)
    made = request(group, "b", snapshot="2026-11-20")
    if snapshot is None:
        del made["CustomerMetadataProperties"]
    else:
        made["CustomerMetadataProperties"][registry.SNAPSHOT] = snapshot
    odd = registry.describe(client, client.create_model_package(**made)["ModelPackageArn"])
    assert odd.snapshot == ""
    for version in (dated, odd):
        registry.approve(client, version.arn, reason="by a test")
    assert [version.arn for version in registry.deployable(client, group)] == [dated.arn]
    assert f"version {odd.number} is passed over" in caplog.text


@pytest.mark.parametrize("told", ["nan", "inf", "-0.5", "2", "exact"])
def test_a_tolerance_that_is_none_is_not_taken(client: Any, told: str) -> None:
    group = f"tolerant-{naming.fingerprint(told)[:8]}"
    registry.ensure_group(client, group, description="x")
    made = request(group, "a")
    made["CustomerMetadataProperties"][registry.TOLERANCE] = told
    arn = client.create_model_package(**made)["ModelPackageArn"]
    assert registry.describe(client, arn).tolerance is None


def test_a_reason_of_many_lines_is_written_on_one(client: Any) -> None:
    group = "reasons"
    registry.ensure_group(client, group, description="x")
    made = registry.register_once(client, request(group, "a"), since=SINCE)
    registry.reject(client, made.arn, reason="off:\n  row 1\n" + "x" * 2000)
    found = registry.describe(client, made.arn)
    assert found.approval_reason.startswith("off: row 1 x")
    assert len(found.approval_reason) == 1024
