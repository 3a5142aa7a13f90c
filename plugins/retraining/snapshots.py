"""Which snapshots have landed, and what exactly is in one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from retraining import naming
from retraining.aws_errors import about

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class SnapshotNotFoundError(Exception):
    """A snapshot that a run asks for has no CSV file; the message names bucket and prefix."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The raw data of one day.

    Attributes:
        date: YYYY-MM-DD.
        uri: The folder of its files.
        files: The keys of its CSV files, sorted.
        fingerprint: SHA-256 over the name, ETag and size of each CSV file: equal for equal data
            wherever it lies, different as soon as a file changes.
    """

    date: str
    uri: str
    files: tuple[str, ...]
    fingerprint: str


def find_snapshot(s3: S3Client, bucket: str, *, pipeline: str, date: str) -> Snapshot:
    """Look up the snapshot of one day.

    Raises:
        naming.InvalidNameError: ``date`` is no date.
        SnapshotNotFoundError: There is no CSV file in its folder.
    """
    uri = naming.snapshot_uri(bucket, pipeline, date)
    _, prefix = naming.split_s3_uri(uri)
    with about(uri):
        objects = [
            item
            for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
            for item in page.get("Contents", [])
            if item["Key"].endswith(".csv")
        ]
    if not objects:
        raise SnapshotNotFoundError(
            f"snapshot {date} has not landed: no .csv file below {uri}. "
            f"Land the day's files there, then clear this task"
        )
    contents = sorted(
        (item["Key"].removeprefix(prefix), item["ETag"].strip('"'), item["Size"])
        for item in objects
    )
    return Snapshot(
        date=date,
        uri=uri,
        files=tuple(sorted(item["Key"] for item in objects)),
        fingerprint=naming.fingerprint(contents),
    )


def newest_snapshot(s3: S3Client, bucket: str, *, pipeline: str) -> Snapshot:
    """Look up the snapshot with the latest date.

    Raises:
        SnapshotNotFoundError: None has landed.
    """
    root = naming.snapshots_uri(bucket, pipeline)
    _, prefix = naming.split_s3_uri(root)
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, Prefix=prefix, Delimiter="/"
    )
    with about(root):
        folders = [
            folder["Prefix"].removeprefix(prefix).rstrip("/")
            for page in pages
            for folder in page.get("CommonPrefixes", [])
        ]
    for folder in sorted(folders, reverse=True):
        try:
            return find_snapshot(s3, bucket, pipeline=pipeline, date=folder)
        except (naming.InvalidNameError, SnapshotNotFoundError):
            continue
    raise SnapshotNotFoundError(
        f"no snapshot has landed: no folder YYYY-MM-DD with a .csv file below {root}"
    )
