"""Keeps moto's S3 on disk: every object is written through, and read back at the next start.

An object's bytes lie in a file named by chance, never by its key; what S3 knows of it lies in the
store. What is kept and what is not stands in README.md.
"""

from __future__ import annotations

import json
import os
import threading
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from moto.s3.models import FakeBucket, FakeKey, s3_backends
from moto.utilities.utils import LowercaseDict

from local_sagemaker import ACCOUNT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from moto.s3.models import S3Backend

    from local_sagemaker.store import Store

# Attributes of moto's key that are plain text or numbers and that a client can see.
_PLAIN = (
    "encryption",
    "kms_key_id",
    "checksum_algorithm",
    "checksum_value",
    "checksum_type",
    "checksum_parts",
    "website_redirect_location",
)


class S3State:
    """moto's buckets and objects, and their copies on disk.

    Attributes:
        lock: Held by whoever reads or changes moto's S3: moto itself does not lock.
    """

    def __init__(self, store: Store, folder: Path) -> None:
        self.lock = threading.RLock()
        self._store = store
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        # What the disk holds now: moto replaces a key's object whenever its content changes.
        self._written: dict[tuple[str, str], tuple[FakeKey, str]] = {}

    @property
    def backend(self) -> S3Backend:
        """Moto's S3 of this account."""
        return s3_backends[ACCOUNT]["aws"]

    def load(self) -> None:
        """Fill moto with what the disk holds, and remove files that no object needs."""
        with self.lock:
            for name, text in self._store.execute("SELECT name, document FROM buckets"):
                self._load_bucket(str(name), json.loads(str(text)))
            used = set()
            for bucket, key, blob, text in self._store.execute("SELECT * FROM objects"):
                used.add(str(blob))
                self._load_object(
                    str(bucket), str(key), blob=str(blob), known=json.loads(str(text))
                )
            for file in self._folder.iterdir():
                if file.name not in used:
                    file.unlink()

    def sync(self, bucket: str, key: str | None = None) -> None:
        """Write to disk what a request has changed.

        Args:
            bucket: The bucket that the request named; it may be gone by now.
            key: The key that it named; None compares the whole bucket.
        """
        with self.lock:
            held = self.backend.buckets.get(bucket)
            if held is None:
                self._forget(bucket)
                return
            with self._store.transaction():
                self._write_bucket(held)
                for name in {key} if key else self._changed(held):
                    self._write_object(held, name)

    def put(self, bucket: str, key: str, *, content: bytes) -> None:
        """Store an object for a job.

        Raises:
            KeyError: There is no such bucket.
        """
        with self.lock:
            if bucket not in self.backend.buckets:
                raise KeyError(bucket)
            self.backend.put_object(bucket, key, content)
            self.sync(bucket, key)

    def delete(self, bucket: str, key: str) -> None:
        """Delete an object for a job, if it exists.

        Raises:
            KeyError: There is no such bucket.
        """
        with self.lock:
            if bucket not in self.backend.buckets:
                raise KeyError(bucket)
            self.backend.delete_object(bucket, key)
            self.sync(bucket, key)

    def list_keys(self, bucket: str, prefix: str) -> list[str]:
        """Return the keys that begin with a prefix, sorted.

        Raises:
            KeyError: There is no such bucket.
        """
        with self.lock:
            return sorted(
                name for name, _ in _newest(self.backend.buckets[bucket]) if name.startswith(prefix)
            )

    def read(self, bucket: str, key: str) -> bytes:
        """Return an object's bytes.

        Raises:
            KeyError: There is no such bucket or key.
        """
        with self.lock:
            found = self.backend.buckets[bucket].keys.get(key)
            if not isinstance(found, FakeKey):
                raise KeyError(key)
            return bytes(found.value)

    def _load_bucket(self, name: str, known: dict[str, Any]) -> None:
        bucket = self.backend.create_bucket(name, known["region"])
        bucket.creation_date = datetime.fromtimestamp(known["created"], tz=UTC)
        bucket.versioning_status = known["versioning"]
        if known["tags"]:
            self.backend.put_bucket_tagging(name, known["tags"])

    def _load_object(self, bucket: str, name: str, *, blob: str, known: dict[str, Any]) -> None:
        key = self.backend.put_object(
            bucket,
            name,
            (self._folder / blob).read_bytes(),
            storage=known["storage_class"],
            etag=known["etag"],
            disable_notification=True,
        )
        # moto compares its times with naive ones.
        key.last_modified = datetime.fromtimestamp(known["modified"], tz=UTC).replace(tzinfo=None)
        key._metadata = LowercaseDict(known["metadata"])  # noqa: SLF001 -- set_metadata only merges
        for attribute in _PLAIN:
            setattr(key, attribute, known[attribute])
        if known["tags"]:
            self.backend.put_object_tagging(key, known["tags"])
        self._written[bucket, name] = (key, blob)

    def _changed(self, bucket: FakeBucket) -> set[str]:
        newest = dict(_newest(bucket))
        known = {
            name: key for (held, name), (key, _) in self._written.items() if held == bucket.name
        }
        names = newest.keys() | known.keys()
        return {name for name in names if newest.get(name) is not known.get(name)}

    def _write_bucket(self, bucket: FakeBucket) -> None:
        document = json.dumps(
            {
                "region": bucket.region_name,
                "created": bucket.creation_date.timestamp(),
                "versioning": bucket.versioning_status,
                "tags": self.backend.tagger.get_tag_dict_for_resource(bucket.arn),
            }
        )
        self._store.execute("INSERT OR REPLACE INTO buckets VALUES (?, ?)", bucket.name, document)

    def _write_object(self, bucket: FakeBucket, name: str) -> None:
        key = bucket.keys.get(name)
        if not isinstance(key, FakeKey):  # deleted, or hidden by a delete marker
            self._store.execute(
                "DELETE FROM objects WHERE bucket = ? AND key = ?", bucket.name, name
            )
            self._drop_blob(bucket.name, name)
            return
        written, blob = self._written.get((bucket.name, name), (None, ""))
        if written is not key:
            blob = self._write_blob(key.value)
        document = json.dumps(
            {
                "etag": key.etag.strip('"'),
                "modified": key.last_modified.replace(tzinfo=UTC).timestamp(),
                "storage_class": key.storage_class,
                "metadata": dict(key.metadata),
                "tags": self.backend.tagger.get_tag_dict_for_resource(key.arn),
                **{attribute: getattr(key, attribute) for attribute in _PLAIN},
            }
        )
        self._store.execute(
            "INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?)", bucket.name, name, blob, document
        )
        if written is not key:
            self._drop_blob(bucket.name, name)
        self._written[bucket.name, name] = (key, blob)

    def _write_blob(self, content: bytes) -> str:
        # A file is complete before the store names it; a crash in between leaves an orphan that
        # `load` removes.
        blob = uuid.uuid4().hex
        with (self._folder / blob).open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        return blob

    def _drop_blob(self, bucket: str, name: str) -> None:
        _, blob = self._written.pop((bucket, name), (None, ""))
        if blob:
            (self._folder / blob).unlink(missing_ok=True)

    def _forget(self, bucket: str) -> None:
        self._store.execute("DELETE FROM buckets WHERE name = ?", bucket)
        self._store.execute("DELETE FROM objects WHERE bucket = ?", bucket)
        for held, name in [entry for entry in self._written if entry[0] == bucket]:
            self._drop_blob(held, name)


def _newest(bucket: FakeBucket) -> Iterator[tuple[str, FakeKey]]:
    return ((name, key) for name, key in bucket.keys.items() if isinstance(key, FakeKey))
