"""The pretrained model that a run begins with: an input like any other, landed once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retraining import naming
from retraining.aws.errors import about

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class PretrainedNotFoundError(Exception):
    """There is no file in the folder of a pretrained model."""


def find(s3: S3Client, bucket: str, *, pipeline: str, model: str) -> str:
    """Return the folder of a pretrained model that is there.

    Args:
        s3: The client.
        bucket: The bucket of the settings.
        pipeline: Whose model.
        model: Its name, or a folder anywhere on S3.

    Raises:
        PretrainedNotFoundError: The folder is empty.
        InvalidNameError: ``model`` is neither a name nor a folder.
    """
    uri = naming.pretrained_uri(bucket, pipeline, model)
    where, prefix = naming.split_s3_uri(uri)
    with about(uri):
        listed = s3.list_objects_v2(Bucket=where, Prefix=prefix, MaxKeys=1)
    if not listed.get("Contents"):
        raise PretrainedNotFoundError(
            f"there is no pretrained model at {uri}: land its files there, or trigger the DAG anew"
            " with the parameter pretrained of one that is there"
        )
    return uri
