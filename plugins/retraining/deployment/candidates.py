"""What a version needs to be deployed and verified: anybody may add others to a group."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError, ParamValidationError

from retraining import naming
from retraining.aws.errors import is_missing
from retraining.deployment import smoke
from retraining.retries import passing_failure
from retraining.runs import records

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_s3 import S3Client

    from retraining.registry.versions import Version


def why_not(s3: S3Client, version: Version, *, rows: int) -> str | None:
    """Say what an approved version lacks to be deployed, None if nothing.

    Args:
        s3: The client.
        version: The version.
        rows: So many of its test rows are wanted; with 0 it needs none.

    Raises:
        ClientError: S3 did not answer, or refuses to show the test rows.
    """
    if not version.containers:
        return "its inference specification has no container"
    if wrong := no_data(s3, version):
        return wrong
    if rows:
        try:
            smoke.read(s3, version.report_uri, rows=rows)
        except smoke.SmokeTestError as error:
            return f"it cannot be verified: {error}"
    return None


def no_data(s3: S3Client, version: Version) -> str | None:
    """Say why no container can load a version's model data, None if it may.

    Raises:
        ClientError: S3 did not answer.
    """
    faults = (_data_fault(s3, container) for container in version.containers)
    return next(filter(None, faults), None)


def why_not_unasked(s3: S3Client, version: Version, *, rows: int) -> str | None:
    """Say why a version is not deployed by itself: its decision, or what it lacks; None if nothing.

    Raises:
        ClientError: S3 did not answer.
    """
    return records.objection(s3, version.run_uri) or why_not(s3, version, rows=rows)


def _data_fault(s3: S3Client, container: Mapping[str, Any]) -> str | None:
    uri = container.get("ModelDataUrl", "")
    if not uri:
        is_elsewhere = "ModelDataSource" in container
        return None if is_elsewhere else "its inference specification names no model data"
    try:
        bucket, key = naming.split_s3_uri(uri)
        s3.head_object(Bucket=bucket, Key=key)
    except naming.InvalidNameError:
        return None  # https, which only the service can judge
    except ParamValidationError as error:
        return f"its model data {uri} are no object's URI: {error}"
    except ClientError as error:
        if is_missing(error):
            return f"its model data is gone: there is nothing at {uri}"
        if passing_failure(error) is not None:
            raise
        # The role that the endpoint assumes may read what Airflow may not.
    return None
