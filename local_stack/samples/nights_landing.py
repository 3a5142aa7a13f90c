"""Put a history where runs find it: in a bucket, or in a folder that is laid out like one.

A folder can be read without S3; it holds the very keys and bytes that the bucket gets.
"""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from retraining import naming

from local_stack.samples.landing import MARKER, NothingToLandError, SnapshotConflictError, land

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mypy_boto3_s3 import S3Client

    from local_stack.samples.nights import History, Night

# A folder stands for any bucket.
_BUCKET = "folder"


def manifest_uri(bucket: str, pipeline: str) -> str:
    """Return where the manifest lies: beside the snapshots, in no snapshot's folder."""
    return f"s3://{bucket}/{pipeline}/history/manifest.json"


def manifest_in_bucket(s3: S3Client, bucket: str, *, pipeline: str) -> bytes | None:
    """Read the manifest of the history that lies in a bucket, if one does.

    Raises:
        NothingToLandError: There is no such bucket.
    """
    _, key = naming.split_s3_uri(manifest_uri(bucket, pipeline))
    try:
        with s3.get_object(Bucket=bucket, Key=key)["Body"] as body:
            return body.read()
    except s3.exceptions.NoSuchBucket as error:
        raise NothingToLandError(f"there is no bucket {bucket}") from error
    except s3.exceptions.NoSuchKey:
        return None


def manifest_in_folder(folder: Path, *, pipeline: str) -> bytes | None:
    """Read the manifest of the history that lies in a folder, if one does."""
    path = folder / _key(manifest_uri(_BUCKET, pipeline))
    return path.read_bytes() if path.is_file() else None


def last_night(manifest: bytes) -> date:
    """Return the date with which a manifest's history ends.

    Raises:
        SnapshotConflictError: It is no manifest of a history.
    """
    try:
        return date.fromisoformat(json.loads(manifest)["last"])
    except (ValueError, KeyError, TypeError) as error:
        raise SnapshotConflictError(
            "what lies in the manifest's place is no manifest; remove it if nobody needs it"
        ) from error


def land_history(
    s3: S3Client, bucket: str, *, pipeline: str, history: History, say: Callable[[object], None]
) -> int:
    """Land the manifest and the nights; an interrupted landing is completed by the next one.

    Args:
        s3: The client.
        bucket: The bucket, which must exist.
        pipeline: Whose snapshots these are.
        history: The nights.
        say: Told of each night.

    Returns:
        How many nights did not lie there before.

    Raises:
        SnapshotConflictError: Something else lies there; if it is another history, or a file that
            a night does not have, nothing was written.
        NothingToLandError: There is no such bucket.
    """
    uri = manifest_uri(bucket, pipeline)
    manifest = manifest_in_bucket(s3, bucket, pipeline=pipeline)
    _refuse_another(manifest, history, where=uri)
    root = naming.snapshots_uri(bucket, pipeline)
    _refuse_other_files(_names(s3, root), history, root=root)
    if manifest is None:
        # First, so that a landing that is interrupted is known for what it was to be.
        _, key = naming.split_s3_uri(uri)
        s3.put_object(Bucket=bucket, Key=key, Body=history.manifest())
    new = 0
    for night in history.nights:
        is_new = bool(night.files) and _land_night(
            s3, naming.snapshot_uri(bucket, pipeline, night.date), night
        )
        new += is_new
        say(_told(night, is_new=is_new))
    return new


def write_history(
    folder: Path, *, pipeline: str, history: History, say: Callable[[object], None]
) -> int:
    """Write the manifest and the nights into a folder, under the keys that a bucket would have.

    Args:
        folder: It is made if it is absent.
        pipeline: Whose snapshots these are.
        history: The nights.
        say: Told of each night.

    Returns:
        How many nights did not lie there before.

    Raises:
        SnapshotConflictError: Something else lies there; nothing was written.
    """
    path = folder / _key(manifest_uri(_BUCKET, pipeline))
    manifest = manifest_in_folder(folder, pipeline=pipeline)
    _refuse_another(manifest, history, where=str(path))
    root = folder / _key(naming.snapshots_uri(_BUCKET, pipeline))
    present = {
        day.name: {file.name for file in day.iterdir() if not _is_unfinished(file)}
        for day in (root.iterdir() if root.is_dir() else ())
        if day.is_dir()
    }
    _refuse_other_files(present, history, root=f"{root}/")
    for night in history.nights:
        for name in sorted(set(night.files) & present.get(night.date, set())):
            if (root / night.date / name).read_bytes() != night.files[name]:
                raise SnapshotConflictError(
                    f"{root / night.date / name} already holds other data. "
                    f"A snapshot is never changed: write into another folder"
                )
    if manifest is None:
        _write(path, history.manifest())
    new = 0
    for night in history.nights:
        names = {*night.files, *([MARKER] if night.is_complete else [])}
        missing = names - present.get(night.date, set())
        for name in sorted(missing - {MARKER}):
            _write(root / night.date / name, night.files[name])
        if MARKER in missing:
            _write(root / night.date / MARKER, b"")
        new += bool(missing)
        say(_told(night, is_new=bool(missing)))
    return new


def _land_night(s3: S3Client, uri: str, night: Night) -> bool:
    with TemporaryDirectory() as scratch:
        files = {name: Path(scratch) / name for name in night.files}
        for name, path in files.items():
            path.write_bytes(night.files[name])
        return land(s3, uri, files, complete=night.is_complete).is_new


def _refuse_another(manifest: bytes | None, history: History, *, where: str) -> None:
    if manifest is None or manifest == history.manifest():
        return
    raise SnapshotConflictError(
        f"{where} tells of another history, {_named(manifest)}. Asked for was "
        f"{_named(history.manifest())}. "
        f"Ask for the one that lies there, or start with an empty place"
    )


def _named(manifest: bytes) -> str:
    last = last_night(manifest)
    told = json.loads(manifest)
    return f"--days {told['days']} --end {last} of the table {told['table_sha256'][:12]}"


def _refuse_other_files(present: Mapping[str, set[str]], history: History, *, root: str) -> None:
    """Refuse, before anything is written, a night that cannot become what it should be."""
    for night in history.nights:
        there = present.get(night.date, set())
        foreign = sorted(there - {*night.files, *([MARKER] if night.is_complete else [])})
        missing = sorted(set(night.files) - there) if MARKER in there else []
        if foreign or missing:
            wrong = (
                f"already holds {', '.join(foreign)}, which is not in that night of the history"
                if foreign
                else f"is complete without {', '.join(missing)}"
            )
            raise SnapshotConflictError(
                f"{root}{night.date}/ {wrong}. A snapshot is never changed: let the history end "
                f"before it (--end YYYY-MM-DD), or start with an empty place"
            )


def _names(s3: S3Client, root: str) -> Mapping[str, set[str]]:
    bucket, prefix = naming.split_s3_uri(root)
    names: dict[str, set[str]] = defaultdict(set)
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for item in page.get("Contents", []):
            day, _, name = item["Key"].removeprefix(prefix).partition("/")
            names[day].add(name)
    return names


def _told(night: Night, *, is_new: bool) -> str:
    done = "nothing lands" if not night.files else "landed" if is_new else "lies there already"
    state = night.fault.name if night.fault else "good"
    return f"{night.date}  {night.rows:>6,} rows  {done}; {state}, expected: {night.expected}"


def _key(uri: str) -> str:
    return naming.split_s3_uri(uri)[1]


def _is_unfinished(path: Path) -> bool:
    return path.name.endswith(".unfinished")


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.unfinished")
    unfinished.write_bytes(content)
    unfinished.replace(path)
