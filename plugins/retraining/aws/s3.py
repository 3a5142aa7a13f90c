"""Objects on S3 by their URIs: bytes and JSON, read and written whole."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from retraining import naming
from retraining.aws.errors import about, is_changed, is_missing

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from mypy_boto3_s3 import S3Client

JSON = "application/json"


class BrokenObjectError(ValueError):
    """An object is not JSON; the message says where it lies and why."""


@dataclass(frozen=True, slots=True)
class Found:
    """An object as it lies on S3.

    Attributes:
        etag: S3's mark of its content, without quotes.
        content: Its bytes.
        modified: When it was written, to the second.
    """

    etag: str
    content: bytes = field(repr=False)
    modified: datetime


def get(s3: S3Client, uri: str) -> Found:
    """Read an object.

    Raises:
        ClientError: It cannot be read or does not exist; the message begins with the URI.
    """
    bucket, key = naming.split_s3_uri(uri)
    with about(uri):
        answer = s3.get_object(Bucket=bucket, Key=key)
        return Found(answer["ETag"].strip('"'), answer["Body"].read(), answer["LastModified"])


def find(s3: S3Client, uri: str) -> Found | None:
    """Read an object; None if there is none.

    Raises:
        ClientError: It cannot be read; the message begins with the URI.
    """
    try:
        return get(s3, uri)
    except ClientError as error:
        if is_missing(error):
            return None
        raise


def find_metadata(s3: S3Client, uri: str) -> Mapping[str, str]:
    """Return what was put beside an object; nothing if there is no object.

    Raises:
        ClientError: It cannot be read; the message begins with the URI.
    """
    found = _head(s3, uri)
    return found["Metadata"] if found else {}


def find_modified(s3: S3Client, uri: str) -> datetime | None:
    """Return when an object was written, to the second; None if there is none.

    Raises:
        ClientError: It cannot be read; the message begins with the URI.
    """
    found = _head(s3, uri)
    return found["LastModified"] if found else None


def get_json(s3: S3Client, uri: str) -> Any:
    """Read an object that holds JSON.

    Raises:
        BrokenObjectError: It does not.
        ClientError: It cannot be read or does not exist; the message begins with the URI.
    """
    try:
        return json.loads(get(s3, uri).content)
    except (ValueError, RecursionError) as error:
        raise BrokenObjectError(f"{uri} is not JSON: {error}") from error


def put(
    s3: S3Client,
    uri: str,
    content: bytes,
    *,
    kind: str = JSON,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write an object over whatever lies there.

    Args:
        s3: The client.
        uri: Where.
        content: What.
        kind: Its media type.
        metadata: What to keep beside it, in ASCII.

    Raises:
        ClientError: It cannot be written; the message begins with the URI.
    """
    bucket, key = naming.split_s3_uri(uri)
    with about(uri):
        s3.put_object(
            Bucket=bucket, Key=key, Body=content, ContentType=kind, Metadata=metadata or {}
        )


def put_json(s3: S3Client, uri: str, value: object) -> None:
    """Write a value as JSON that people can read, over whatever lies there.

    Raises:
        ClientError: It cannot be written; the message begins with the URI.
    """
    put(s3, uri, json_bytes(value))


def json_bytes(value: object) -> bytes:
    """Return a value as JSON that people can read, in UTF-8."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    # Half a letter that a report's text may have becomes the escape that JSON has for it.
    return f"{text}\n".encode(errors="backslashreplace")


def put_once(s3: S3Client, uri: str, content: bytes, *, kind: str = JSON) -> bool:
    """Write an object unless one lies there; say whether it was written.

    Args:
        s3: The client.
        uri: Where.
        content: What.
        kind: Its media type.

    Raises:
        ClientError: It cannot be written; the message begins with the URI.
    """
    return _put_if(s3, uri, content, kind=kind, condition={"IfNoneMatch": "*"})


def put_over(s3: S3Client, uri: str, content: bytes, *, etag: str) -> bool:
    """Write JSON over the object that was read with this ETag; say whether it was written.

    It is not if another lies there by now, or none.

    Raises:
        ClientError: It cannot be written; the message begins with the URI.
    """
    return _put_if(s3, uri, content, kind=JSON, condition={"IfMatch": f'"{etag}"'})


def copy(s3: S3Client, source: str, target: str) -> bool:
    """Copy an object of at most 5 GB over whatever lies there; say whether there is one to copy.

    Raises:
        ClientError: It cannot be copied; the message begins with its URI.
    """
    (from_bucket, from_key), (bucket, key) = map(naming.split_s3_uri, (source, target))
    try:
        with about(source):
            s3.copy_object(
                CopySource={"Bucket": from_bucket, "Key": from_key}, Bucket=bucket, Key=key
            )
    except ClientError as error:
        if is_missing(error):
            return False
        raise
    return True


def _put_if(
    s3: S3Client, uri: str, content: bytes, *, kind: str, condition: Mapping[str, Any]
) -> bool:
    bucket, key = naming.split_s3_uri(uri)
    try:
        with about(uri):
            s3.put_object(Bucket=bucket, Key=key, Body=content, ContentType=kind, **condition)
    except ClientError as error:
        if is_changed(error) or is_missing(error):
            return False
        raise
    return True


def _head(s3: S3Client, uri: str) -> Any:
    bucket, key = naming.split_s3_uri(uri)
    try:
        with about(uri):
            return s3.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if is_missing(error):
            return None
        raise
