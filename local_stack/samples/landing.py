"""Land a day's raw data in S3: a folder that, once complete, never changes."""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from local_stack.errors import LocalStackError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mypy_boto3_s3 import S3Client

# Written last: a folder without it is still being filled.
MARKER = "_SUCCESS"


class NothingToLandError(LocalStackError):
    """There is no data to land, or no bucket to land it in."""


class SnapshotConflictError(LocalStackError):
    """The day's folder holds other data; a snapshot is never overwritten."""


@dataclass(frozen=True, slots=True)
class Landing:
    """What landing a snapshot did.

    Attributes:
        uri: The snapshot's folder.
        is_new: False if the same data lay there already.
    """

    uri: str
    is_new: bool


def land(
    s3: S3Client,
    uri: str,
    files: Mapping[str, Path],
    *,
    make_bucket: bool = False,
    complete: bool = True,
) -> Landing:
    """Put a snapshot in its place: the files first, then the marker.

    An interrupted landing is completed by the next one.

    Args:
        s3: The client.
        uri: The snapshot's folder, ``s3://bucket/prefix/``.
        files: The local file for each name in the folder.
        make_bucket: Whether to make the bucket if it is absent; in us-east-1 only.
        complete: Whether to write the marker; without it the folder is still being filled.

    Raises:
        SnapshotConflictError: The folder holds another file, or one of these with other content.
        NothingToLandError: There is no file to land, or no bucket.
    """
    absent = [str(path) for path in files.values() if not path.is_file()]
    if absent or not files:
        raise NothingToLandError(f"no file to land in {uri}: {', '.join(absent) or 'none given'}")
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    _ensure_bucket(s3, bucket, make_it=make_bucket)
    present = {
        item["Key"].removeprefix(prefix)
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        for item in page.get("Contents", [])
    }
    foreign = sorted(present - set(files) - {MARKER})
    if foreign:
        raise SnapshotConflictError(
            f"{uri} already holds {', '.join(foreign)}, which is not in the data to land. "
            f"A snapshot is never changed: land under another date"
        )
    missing = sorted(set(files) - present)
    if MARKER in present and missing:
        raise SnapshotConflictError(
            f"{uri} is complete without {', '.join(missing)}. "
            f"A snapshot is never changed: land under another date"
        )
    for name in sorted(set(files) & present):
        body = s3.get_object(Bucket=bucket, Key=prefix + name)["Body"]
        with body, files[name].open("rb") as local:
            # Both are read in pieces: a snapshot may be larger than memory.
            remote = hashlib.sha256()
            for piece in body.iter_chunks():
                remote.update(piece)
            same = remote.digest() == hashlib.file_digest(local, "sha256").digest()
        if not same:
            raise SnapshotConflictError(
                f"{uri}{name} already holds other data than {files[name]}. "
                f"A snapshot is never changed: land under another date"
            )
    for name in missing:
        s3.upload_file(str(files[name]), bucket, prefix + name)
    unmarked = complete and MARKER not in present
    if unmarked:
        s3.put_object(Bucket=bucket, Key=prefix + MARKER, Body=b"")
    return Landing(uri, is_new=unmarked or bool(missing))


def _ensure_bucket(s3: S3Client, bucket: str, *, make_it: bool) -> None:
    try:
        s3.head_bucket(Bucket=bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] not in {"404", "NoSuchBucket"}:
            raise
        if not make_it:
            raise NothingToLandError(f"there is no bucket {bucket}") from error
        # Somebody may make it at the same moment.
        with contextlib.suppress(s3.exceptions.BucketAlreadyOwnedByYou):
            s3.create_bucket(Bucket=bucket)
