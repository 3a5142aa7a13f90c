"""Copies of objects inside S3 that have the ETags of the originals.

A later step compares ETags, and would take a copy with another one for other content. An object
that was put in one piece is copied in one piece. One that was uploaded in parts is copied in the
same parts, as its ETag is a hash over the hashes of its parts. In a bucket that encrypts with KMS
keys, ETags are not hashes: a copy has a new one, and the step that reads it is done anew.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from retraining import naming
from retraining.jobs.reuse.content import list_objects

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef, CopySourceTypeDef

    from retraining.jobs.reuse.content import Objects

_GONE_OR_CHANGED = frozenset({"404", "412", "NoSuchKey", "NoSuchUpload", "PreconditionFailed"})


class OutputsChangedError(Exception):
    """Recorded outputs are not what was recorded; the step has to be done."""


def copy_objects(s3: S3Client, source_uri: str, target_uri: str, objects: Objects) -> None:
    """Copy objects from one folder to another, and check that the copies are what was meant.

    Args:
        s3: The client.
        source_uri: The folder to copy from.
        target_uri: The folder to copy to; if it is the same one, nothing is copied.
        objects: ETag and size by name of what is to be copied.

    Raises:
        OutputsChangedError: A source is gone or has other content.
    """
    if source_uri != target_uri:
        source_bucket, source_folder = naming.split_s3_uri(source_uri)
        bucket, folder = naming.split_s3_uri(target_uri)
        for name, (etag, size) in objects.items():
            source: CopySourceTypeDef = {"Bucket": source_bucket, "Key": source_folder + name}
            try:
                _copy(s3, source, bucket, folder + name, etag=etag, size=size)
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") not in _GONE_OR_CHANGED:
                    raise
                raise OutputsChangedError(
                    f"{source_uri}{name} is gone or was changed while it was copied: {error}"
                ) from error
    _check(s3, target_uri, objects)


def _copy(
    s3: S3Client, source: CopySourceTypeDef, bucket: str, key: str, *, etag: str, size: int
) -> None:
    # S3 takes 5 GB in one piece, and lets nobody put more than that in one.
    if "-" not in etag:
        s3.copy_object(CopySource=source, CopySourceIfMatch=etag, Bucket=bucket, Key=key)
        return
    sizes = _part_sizes(s3, source, int(etag.rpartition("-")[2]))
    if sizes and sum(sizes) == size:
        _copy_in_parts(s3, source, bucket, key, etag=etag, sizes=sizes)
    else:
        # The parts are not known (any more): a right copy, if with an ETag of its own.
        s3.copy(source, bucket, key)


def _part_sizes(s3: S3Client, source: CopySourceTypeDef, count: int) -> list[int]:
    sizes: list[int] = []
    for number in range(1, count + 1):
        part = s3.head_object(Bucket=source["Bucket"], Key=source["Key"], PartNumber=number)
        if part.get("PartsCount") != count:
            return []
        sizes.append(part["ContentLength"])
    return sizes


def _copy_in_parts(
    s3: S3Client,
    source: CopySourceTypeDef,
    bucket: str,
    key: str,
    *,
    etag: str,
    sizes: list[int],
) -> None:
    place: dict[str, Any] = {"Bucket": bucket, "Key": key}
    place["UploadId"] = s3.create_multipart_upload(**place)["UploadId"]
    try:
        parts: list[CompletedPartTypeDef] = []
        for number, (first, last) in enumerate(_ranges(sizes), start=1):
            copied = s3.upload_part_copy(
                **place,
                PartNumber=number,
                CopySource=source,
                CopySourceIfMatch=etag,
                CopySourceRange=f"bytes={first}-{last}",
            )
            parts.append({"PartNumber": number, "ETag": copied["CopyPartResult"]["ETag"]})
        s3.complete_multipart_upload(**place, MultipartUpload={"Parts": parts})
    except BaseException:
        # Its parts would be stored, and paid for, without being seen.
        s3.abort_multipart_upload(**place)
        raise


def _ranges(sizes: list[int]) -> Iterator[tuple[int, int]]:
    first = 0
    for size in sizes:
        yield first, first + size - 1
        first += size


def _check(s3: S3Client, target_uri: str, objects: Objects) -> None:
    found = {item.name: (item.etag, item.size) for item in list_objects(s3, target_uri)}
    for name, (etag, size) in objects.items():
        if name not in found:
            raise OutputsChangedError(f"{target_uri}{name} is gone just after it was copied")
        copied_etag, copied_size = found[name]
        # Hashes are compared with hashes: an encrypted object's ETag has the form of one as well.
        same = copied_etag == etag or not _are_hashes(s3, target_uri, name, etag, copied_etag)
        if copied_size != size or not same:
            raise OutputsChangedError(
                f"{target_uri}{name} has {copied_size} bytes and ETag {copied_etag}; {size} bytes "
                f"with ETag {etag} were recorded. The original was changed meanwhile"
            )


def _are_hashes(s3: S3Client, uri: str, name: str, *etags: str) -> bool:
    forms = [re.fullmatch(r"[0-9a-f]{32}(-[0-9]+)?", etag) for etag in etags]
    if None in forms or len({form and form[1] for form in forms}) > 1:
        return False
    bucket, folder = naming.split_s3_uri(uri)
    encryption = s3.head_object(Bucket=bucket, Key=folder + name).get("ServerSideEncryption")
    return encryption in {None, "AES256"}
