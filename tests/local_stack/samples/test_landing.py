from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest
from retraining.runs.snapshots import find_snapshot

from local_stack.samples.landing import NothingToLandError, SnapshotConflictError, land

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import EmbeddedSageMaker
    from mypy_boto3_s3 import S3Client

PREFIX = "california-housing/snapshots/2026-11-20/"


@pytest.fixture
def s3(embedded_sagemaker: EmbeddedSageMaker) -> S3Client:
    return embedded_sagemaker.client("s3")


@pytest.fixture
def absent() -> str:
    """The name of a bucket that there is not."""
    return f"bucket-{uuid.uuid4()}"


@pytest.fixture
def bucket(s3: S3Client, absent: str) -> str:
    s3.create_bucket(Bucket=absent)
    return absent


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    made = {"a.csv": tmp_path / "a.csv", "b.csv": tmp_path / "b.csv"}
    for name, path in made.items():
        path.write_text(f"column\n{name}\n")
    return made


def keys_in(s3: S3Client, bucket: str) -> list[str]:
    contents = s3.list_objects_v2(Bucket=bucket).get("Contents", [])
    return sorted(item["Key"].removeprefix(PREFIX) for item in contents)


def test_it_lands_in_a_bucket_that_it_makes(
    s3: S3Client, absent: str, files: dict[str, Path]
) -> None:
    bucket = absent
    landing = land(s3, f"s3://{bucket}/{PREFIX}", files, make_bucket=True)

    assert landing.is_new
    assert keys_in(s3, bucket) == ["_SUCCESS", "a.csv", "b.csv"]
    body = s3.get_object(Bucket=bucket, Key=f"{PREFIX}a.csv")["Body"].read()
    assert body == files["a.csv"].read_bytes()


def test_the_library_finds_it(s3: S3Client, bucket: str, files: dict[str, Path]) -> None:
    land(s3, f"s3://{bucket}/{PREFIX}", files)
    found = find_snapshot(s3, bucket, pipeline="california-housing", date="2026-11-20")
    assert found.files == (f"{PREFIX}a.csv", f"{PREFIX}b.csv")


def test_the_marker_comes_last(s3: S3Client, bucket: str, files: dict[str, Path]) -> None:
    written: list[str] = []
    s3.meta.events.register(
        "before-call.s3.PutObject",
        lambda params, **_: written.append(params["url_path"].rpartition("/")[2]),
    )
    land(s3, f"s3://{bucket}/{PREFIX}", files)
    assert written == ["a.csv", "b.csv", "_SUCCESS"]


def test_landing_the_same_data_again_changes_nothing(
    s3: S3Client, bucket: str, files: dict[str, Path]
) -> None:
    land(s3, f"s3://{bucket}/{PREFIX}", files)
    before = s3.list_objects_v2(Bucket=bucket)["Contents"]
    assert not land(s3, f"s3://{bucket}/{PREFIX}", files).is_new
    assert s3.list_objects_v2(Bucket=bucket)["Contents"] == before


def test_other_content_under_the_same_date_is_refused(
    s3: S3Client, bucket: str, files: dict[str, Path]
) -> None:
    land(s3, f"s3://{bucket}/{PREFIX}", files)
    files["b.csv"].write_text("column\nother\n")
    with pytest.raises(SnapshotConflictError, match=r"20/b\.csv already holds other data"):
        land(s3, f"s3://{bucket}/{PREFIX}", files)
    body = s3.get_object(Bucket=bucket, Key=f"{PREFIX}b.csv")["Body"].read()
    assert body == b"column\nb.csv\n"


def test_fewer_files_under_the_same_date_are_refused(
    s3: S3Client, bucket: str, files: dict[str, Path]
) -> None:
    land(s3, f"s3://{bucket}/{PREFIX}", files)
    with pytest.raises(SnapshotConflictError, match=r"already holds b\.csv"):
        land(s3, f"s3://{bucket}/{PREFIX}", {"a.csv": files["a.csv"]})


def test_more_files_under_the_same_date_are_refused(
    s3: S3Client, bucket: str, files: dict[str, Path]
) -> None:
    land(s3, f"s3://{bucket}/{PREFIX}", {"a.csv": files["a.csv"]})
    with pytest.raises(SnapshotConflictError, match=r"complete without b\.csv"):
        land(s3, f"s3://{bucket}/{PREFIX}", files)
    assert keys_in(s3, bucket) == ["_SUCCESS", "a.csv"]


def test_an_interrupted_landing_is_completed(
    s3: S3Client, bucket: str, files: dict[str, Path]
) -> None:
    s3.upload_file(str(files["a.csv"]), bucket, f"{PREFIX}a.csv")
    assert land(s3, f"s3://{bucket}/{PREFIX}", files).is_new
    assert keys_in(s3, bucket) == ["_SUCCESS", "a.csv", "b.csv"]


def test_nothing_is_no_snapshot(s3: S3Client, bucket: str) -> None:
    with pytest.raises(NothingToLandError, match=r"no file to land in .*: none given"):
        land(s3, f"s3://{bucket}/{PREFIX}", {})


def test_a_missing_file_is_told(s3: S3Client, bucket: str, tmp_path: Path) -> None:
    with pytest.raises(NothingToLandError, match=r"no file to land in .*no-such\.csv"):
        land(s3, f"s3://{bucket}/{PREFIX}", {"a.csv": tmp_path / "no-such.csv"})


def test_no_bucket_is_made_unasked(s3: S3Client, absent: str, files: dict[str, Path]) -> None:
    with pytest.raises(NothingToLandError, match=f"there is no bucket {absent}"):
        land(s3, f"s3://{absent}/{PREFIX}", files)
