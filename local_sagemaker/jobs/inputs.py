"""What one host of a job gets of an input: a prefix or a manifest, all of it or its share."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from local_sagemaker.errors import RequestInvalidError
from local_sagemaker.jobs.plan import JobFailedError, failed
from local_sagemaker.jobs.transfers import file_name, keys_below, write_files
from local_sagemaker.s3_places import Bucketed, parse_s3_uri

if TYPE_CHECKING:
    from pathlib import Path

    from local_sagemaker.access.grants import Objects
    from local_sagemaker.jobs.plan import Download
    from local_sagemaker.jobs.transfers import NamedObject


def fetch_input(
    s3: Objects, item: Download, *, folder: Path, host: int, hosts: int, role: str, region: str
) -> None:
    """Copy a host's part of an input into a folder.

    Args:
        s3: The buckets.
        item: The input.
        folder: Is made if it does not exist. It stays empty on a host that no object is left for.
        host: Its number, from 0.
        hosts: How many there are.
        role: For the error.
        region: For the error.

    Raises:
        JobFailedError: There is nothing to copy, the manifest cannot be read, or an object cannot
            be a file here.
    """
    named = input_objects(s3, item, role=role, region=region)
    files = [(at, file_name(name, at=at)) for at, name in named]
    if item.sharded:
        # The service promises each host about as many objects as any other, and no more than that.
        files = files[host::hosts]
    write_files(s3, files, folder=folder, source=item.source)


def input_objects(s3: Objects, item: Download, *, role: str, region: str) -> list[NamedObject]:
    """Return the objects of an input, in their order, and what each is called in it.

    Raises:
        JobFailedError: There are none, or the manifest cannot be read.
    """
    if item.manifest:
        return _listed(s3, item.source)
    return keys_below(s3, item.source, role=role, region=region)


def _listed(s3: Objects, manifest: Bucketed) -> list[NamedObject]:
    """Read ``[{"prefix": "s3://bucket/folder/"}, "key/below/it", …]``, a manifest of the service's.

    The keys are the files' names, as they stand there.
    """
    try:
        entries = json.loads(s3.read(manifest.bucket, manifest.key))
    except KeyError as error:
        raise _unreadable(manifest, "there is no such object") from error
    except OSError as error:
        raise failed(f"Data download failed: {manifest.uri} cannot be read", error) from error
    except (ValueError, RecursionError) as error:
        raise _unreadable(manifest, f"it is not JSON: {error}") from error
    if not isinstance(entries, list) or not entries or not isinstance(entries[0], dict):
        raise _unreadable(manifest, "it is not a list that begins with a prefix")
    prefix, *keys = entries
    if set(prefix) != {"prefix"} or not all(isinstance(key, str) for key in keys):
        raise _unreadable(manifest, "only keys, as texts, may follow its prefix")
    if not keys:
        raise _unreadable(manifest, "it lists no objects")
    try:
        place = parse_s3_uri(str(prefix["prefix"]), member="its prefix")
    except RequestInvalidError as error:
        raise _unreadable(manifest, error.message) from error
    found = (Bucketed(place.bucket, f"{place.key}{key}") for key in keys)
    return list(zip(found, keys, strict=True))


def _unreadable(manifest: Bucketed, told: str) -> JobFailedError:
    return JobFailedError(
        f"ClientError: Data download failed: the manifest {manifest.uri} cannot be used: {told}."
    )
