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

    from local_sagemaker.access.grants import Objects
    from local_sagemaker.endpoints.deployment import Hosted


def check_model_data(container: Mapping[str, Any], s3: Objects, *, role: str, region: str) -> None:
    """Check that a container's model data can be had, as CreateModel does.

    Args:
        container: Of the request.
        s3: What the model's role may do with the buckets.
        role: For the error.
        region: For the error.

    Raises:
        RequestInvalidError: There is no such object, or the role may not read it.
    """
    uri, packed = _source(container)
    if not uri:
        return
    place = parse_s3_uri(uri, member="The model data's URI")
    try:
        found = (
            s3.exists(place.bucket, place.key)
            if packed
            else bool(s3.list_keys(place.bucket, place.key))
        )
    except KeyError:
        found = False
    except JobFailedError as error:
        raise RequestInvalidError(
            f'Could not access model data at {uri}. Please ensure that the role "{role}" exists and'
            ' that its trust relationship policy allows the action "sts:AssumeRole" for the service'
            ' principal "sagemaker.amazonaws.com". Also ensure that the role has "s3:GetObject"'
            f" permissions and that the object is located in {region}. ({error})"
        ) from error
    if not found:
        raise RequestInvalidError(f"Could not find model data at {uri}.")


def fetch_model_data(hosted: Hosted, s3: Objects, *, folder: Path) -> None:
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
