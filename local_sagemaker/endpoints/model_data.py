"""Brings a model's files from S3 to the place where its container looks for them."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from local_sagemaker.archives import ArchiveError, unpack
from local_sagemaker.endpoints.deployment import StartFailedError
from local_sagemaker.errors import RequestInvalidError
from local_sagemaker.jobs.plan import JobFailedError
from local_sagemaker.jobs.transfers import download
from local_sagemaker.s3_places import parse_s3_uri

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from local_sagemaker.endpoints.deployment import Hosted
    from local_sagemaker.s3_state import S3State


def check_model_data(container: Mapping[str, Any], s3: S3State) -> None:
    """Check that a container's model data can be had, as CreateModel does.

    Raises:
        RequestInvalidError: There is no such object.
    """
    uri, packed = _source(container)
    if not uri:
        return
    place = parse_s3_uri(uri, member="The model data's URI")
    try:
        keys = s3.list_keys(place.bucket, place.key)
    except KeyError:
        keys = []
    if place.key not in keys if packed else not keys:
        raise RequestInvalidError(f"Could not find model data at {uri}.")


def fetch_model_data(hosted: Hosted, s3: S3State, *, folder: Path) -> None:
    """Copy a model's files to a folder, unpacking an archive.

    Args:
        hosted: Whose container's model it is.
        s3: The buckets.
        folder: Exists; stands for /opt/ml/model.

    Raises:
        StartFailedError: There is no such object, or it is not an archive that may be unpacked.
    """
    uri, packed = _source(hosted.container)
    if not uri:
        return
    try:
        place = parse_s3_uri(uri, member="The model data's URI")
        if not packed:
            download(s3, place, folder=folder, role=hosted.role, region=hosted.region)
            return
        content = s3.read(place.bucket, place.key)
    except (KeyError, RequestInvalidError, JobFailedError) as error:
        raise StartFailedError(
            f'Failed to download model data for container "container_1" from URL: "{uri}". Please'
            " ensure that there is an object located at the URL and that the role passed to"
            " CreateModel has permissions to download the object."
        ) from error
    try:
        unpack(io.BytesIO(content), folder)
    except ArchiveError as error:
        raise StartFailedError(
            f'Failed to extract model data archive for container "container_1" from URL "{uri}".'
            " Please ensure that the object located at the URL is a valid tar.gz archive."
            f" ({error})"
        ) from error


def _source(container: Mapping[str, Any]) -> tuple[str, bool]:
    if url := container.get("ModelDataUrl"):
        return str(url), True
    source = container.get("ModelDataSource", {}).get("S3DataSource", {})
    return str(source.get("S3Uri", "")), source.get("CompressionType") == "Gzip"
