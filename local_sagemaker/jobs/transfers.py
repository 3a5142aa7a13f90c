"""Copies between S3 and a job's folder."""

from __future__ import annotations

import io
import os
import sqlite3
import tarfile
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from local_sagemaker.jobs.plan import CONTAINER_ROOT, JobFailedError, failed
from local_sagemaker.s3_places import Bucketed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from local_sagemaker.access.grants import Objects


# An object, and its name below the place where it was found.
NamedObject = tuple[Bucketed, str]
# An object, and the folders and the name of its file.
ObjectFile = tuple[Bucketed, list[str]]


def download(s3: Objects, source: Bucketed, *, folder: Path, role: str, region: str) -> int:
    """Copy every object of a key prefix into a folder.

    Args:
        s3: The buckets.
        source: The prefix; it may end in the middle of a name.
        folder: Is made if it does not exist.
        role: For the error.
        region: For the error.

    Returns:
        How many files were written.

    Raises:
        JobFailedError: There is nothing to copy, or a key cannot be a file's name here.
    """
    files = objects_below(s3, source, role=role, region=region)
    write_files(s3, files, folder=folder, source=source)
    return len(files)


def objects_below(s3: Objects, source: Bucketed, *, role: str, region: str) -> list[ObjectFile]:
    """Return the objects of a key prefix, in the order of their keys, and how each is called.

    Raises:
        JobFailedError: There are none, or a key cannot be a file's name here.
    """
    named = keys_below(s3, source, role=role, region=region)
    return [(at, file_name(name, at=at)) for at, name in named]


def keys_below(s3: Objects, source: Bucketed, *, role: str, region: str) -> list[NamedObject]:
    """Return the objects of a key prefix, in the order of their keys, and their names below it.

    Raises:
        JobFailedError: There are none.
    """
    try:
        keys = s3.list_keys(source.bucket, source.key)
    except KeyError:
        keys = []
    if not keys:
        raise JobFailedError(
            f'ClientError: No S3 objects found under S3 URL "{source.uri}" given in input data'
            f" source. Please ensure that the bucket exists in the selected region ({region}),"
            f' that objects exist under that S3 prefix, and that the role "{role}" has'
            f' "s3:ListBucket" permissions on bucket "{source.bucket}".'
        )
    # Folders' own markers hold no data.
    return [
        (Bucketed(source.bucket, key), _relative_name(source, key))
        for key in keys
        if not key.endswith("/")
    ]


def write_files(
    s3: Objects, files: Iterable[ObjectFile], *, folder: Path, source: Bucketed
) -> None:
    """Copy objects into a folder, which is made if it does not exist.

    Args:
        s3: The buckets.
        files: What to copy.
        folder: Where to.
        source: For the error: where they were found.

    Raises:
        JobFailedError: There is no such object, or it cannot be written under its name.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        raise failed(f"{source.uri} cannot be copied to its LocalPath", error) from error
    for at, name in files:
        target = folder.joinpath(*name)
        try:
            content = s3.read(at.bucket, at.key)
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as file:
                file.write(content)
        except KeyError as error:
            raise JobFailedError(
                f"ClientError: Data download failed: {at.uri} does not exist, or was deleted"
                " meanwhile."
            ) from error
        except (OSError, ValueError) as error:
            raise failed(
                f"Data download failed: {at.uri} cannot be written as a file", error
            ) from error


def _relative_name(source: Bucketed, key: str) -> str:
    if key == source.key:
        return key.rpartition("/")[2]
    if source.key.endswith("/"):
        return key[len(source.key) :]
    if key.startswith(f"{source.key}/"):
        return key[len(source.key) + 1 :]
    # The prefix ends inside of a name: that name is kept whole.
    return key[source.key.rfind("/") + 1 :]


def file_name(relative: str, *, at: Bucketed) -> list[str]:
    """Return the folders and the name of an object's file, below an input's folder.

    Raises:
        JobFailedError: It would be somewhere else.
    """
    parts = [part for part in relative.split("/") if part]
    if not parts or {".", ".."} & set(parts):
        raise JobFailedError(
            f"ClientError: Data download failed: the key {at.uri} would be"
            " written outside of the input's folder."
        )
    return parts


def place(root: Path, name: str) -> Path:
    """Return where a job was to leave something.

    Args:
        root: The folder that stood for /opt/ml.
        name: Relative to it.

    Raises:
        JobFailedError: There is a link on the way, which may lead anywhere.
    """
    path = root
    for part in ("", *PurePosixPath(name).parts):
        path /= part
        if path.is_symlink():
            raise JobFailedError(
                f"ClientError: {CONTAINER_ROOT}/{name} cannot be read: the job has put a link in"
                " its place or above it."
            )
    return path


def upload_folder(s3: Objects, folder: Path, *, target: Bucketed) -> None:
    """Copy every file below a folder to S3, under its relative name.

    Raises:
        JobFailedError: A file cannot be read or copied, or there is no such bucket.
    """
    try:
        for file, name in files_below(folder):
            upload(s3, file.read_bytes(), target=target.below(name))
    except OSError as error:
        raise failed(f"Failed to upload to {target.uri}", error) from error


def upload_archive(s3: Objects, files: dict[str, Path], *, target: Bucketed) -> None:
    """Pack files and folders into a ``.tar.gz`` and copy it to S3.

    Args:
        s3: The buckets.
        files: Name in the archive to what lies there.
        target: The archive's key.

    Raises:
        JobFailedError: A file cannot be read or copied, or there is no such bucket.
    """
    buffer = io.BytesIO()
    try:
        # Level 6 is gzip's own default; Python's, 9, takes several times as long for nothing.
        with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=6) as archive:
            for name, path in files.items():
                for file in (path, *_below(path)):
                    inside = PurePosixPath(name, file.relative_to(path).as_posix())
                    archive.add(file, arcname=str(inside), recursive=False)
    except (OSError, ValueError, tarfile.TarError) as error:
        raise failed(f"Failed to pack {target.uri}", error) from error
    upload(s3, buffer.getvalue(), target=target)


def upload(s3: Objects, content: bytes, *, target: Bucketed) -> None:
    """Store an object.

    Raises:
        JobFailedError: There is no such bucket, or the disk or S3 refuses it.
    """
    try:
        s3.put(target.bucket, target.key, content=content)
    except KeyError as error:
        raise JobFailedError(
            f"ClientError: Failed to upload to {target.uri}: the bucket {target.bucket} does not"
            " exist."
        ) from error
    except (OSError, ValueError, sqlite3.Error) as error:
        raise failed(f"Failed to upload to {target.uri}", error) from error


def files_below(folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield the files below a folder, and their relative names.

    Raises:
        OSError: The folder, or one in it, cannot be read.
    """
    for file in _below(folder):
        if not file.is_file():  # nor a link that leads nowhere, or to itself
            continue
        # A link out of the output's folder is not output.
        if not file.is_symlink() or file.resolve().is_relative_to(folder.resolve()):
            yield file, file.relative_to(folder).as_posix()


def _below(folder: Path) -> list[Path]:
    """Return all that is below a folder, in order; links are not followed.

    A tree may be deeper than Python can call itself, as a standard library's ways do.
    """
    found: list[Path] = []
    waiting = [folder] if folder.is_dir() and not folder.is_symlink() else []
    while waiting:
        # A command that still runs may have removed it.
        with suppress(FileNotFoundError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                path = Path(entry.path)
                found.append(path)
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(path)
    return sorted(found)
