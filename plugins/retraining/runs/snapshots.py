"""Which snapshots have landed, and what exactly is in one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from retraining import naming
from retraining.aws.errors import about

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


# Written last by whoever lands a snapshot, as Spark, Hadoop and Flink do: without it a folder may
# still be filling.
MARKER = "_SUCCESS"


class SnapshotNotFoundError(Exception):
    """A snapshot that a run asks for is not there, or not complete; the message says which."""


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
    """Look up the complete snapshot of one day.

    Raises:
        naming.InvalidNameError: ``date`` is no date.
        SnapshotNotFoundError: Its folder lacks the marker, or a CSV file.
    """
    uri = naming.snapshot_uri(bucket, pipeline, date)
    _, prefix = naming.split_s3_uri(uri)
    with about(uri):
        listed = [
            item
            for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
            for item in page.get("Contents", [])
        ]
    objects = [item for item in listed if item["Key"].endswith(".csv")]
    is_complete = any(item["Key"] == prefix + MARKER for item in listed)
    if not (objects and is_complete):
        files = f"{len(objects)} .csv file" + ("" if len(objects) == 1 else "s")
        marker = "its marker" if is_complete else f"no {MARKER}"
        raise SnapshotNotFoundError(
            f"snapshot {date} is not complete: {uri} holds {files} and {marker}. Land the day's"
            f" files there, and {MARKER} last"
            if listed
            else f"snapshot {date} has not landed: nothing lies below {uri}. Land the day's .csv"
            f" files there, and {MARKER} last"
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
    """Look up the complete snapshot with the latest date.

    Raises:
        SnapshotNotFoundError: There is none.
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
        f"no snapshot has landed: no folder YYYY-MM-DD with .csv files and {MARKER} below {root}"
    )
