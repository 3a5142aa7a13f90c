"""Keeps moto's S3 on disk: every object is written through, and read back at the next start.

An object's bytes lie in a file named by chance, never by its key; what S3 knows of it lies in the
store. What is kept and what is not stands in README.md.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from moto.s3.models import FakeBucket, FakeKey, s3_backends
from moto.utilities.utils import LowercaseDict

from local_sagemaker import ACCOUNT
from local_sagemaker.s3_memory import let_go_of_parts, taken_back

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from moto.s3.models import S3Backend

    from local_sagemaker.s3_memory import Place
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

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Written:
    """What the disk holds of an object.

    Attributes:
        key: As moto has it; moto makes another one whenever the content changes.
        blob: The name of the file with its bytes.
        document: What else is known of it.
    """

    key: FakeKey
    blob: str
    document: str


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
        # What the disk holds now, by bucket.
        self._buckets: dict[str, str] = {}
        self._objects: dict[str, dict[str, _Written]] = {}

    @property
    def backend(self) -> S3Backend:
        """Moto's S3 of this account."""
        return s3_backends[ACCOUNT]["aws"]

    def load(self) -> None:
        """Fill moto with what the disk holds, and remove files that no object needs.

        An object whose file cannot be read is left out, and named in the log.
        """
        with self.lock:
            for name, text in self._store.execute("SELECT name, document FROM buckets"):
                self._load_bucket(str(name), str(text))
            used = set()
            for bucket, key, blob, text in self._store.execute("SELECT * FROM objects"):
                used.add(str(blob))
                try:
                    content = (self._folder / str(blob)).read_bytes()
                except OSError as error:
                    log.error("s3://%s/%s is lost: %s", bucket, key, error)  # noqa: TRY400 -- all that there is to tell
                    continue
                self._load_object(
                    str(bucket), str(key), content=content, blob=str(blob), document=str(text)
                )
            for file in self._folder.iterdir():
                if file.name not in used:
                    self._remove(file.name)

    @contextmanager
    def changing(self, *places: Place) -> Iterator[None]:
        """Let moto change what is in these places, and write it to disk; or neither.

        Raises:
            OSError: The disk refuses it, also sqlite3.Error; moto is as it was before.
        """
        with self.lock, taken_back(self.backend, places):
            yield
            self._write(places)

    def put(self, bucket: str, key: str, *, content: bytes) -> None:
        """Store an object for a job.

        Raises:
            KeyError: There is no such bucket.
            ValueError: The key is no text.
            OSError: The disk refuses it, also sqlite3.Error.
        """
        key.encode()  # a file's name may hold bytes that are no text, a key may not
        with self.changing((bucket, key)):
            if bucket not in self.backend.buckets:
                raise KeyError(bucket)
            self.backend.put_object(bucket, key, content)

    def delete(self, bucket: str, key: str) -> None:
        """Delete an object for a job, if it exists.

        Raises:
            KeyError: There is no such bucket.
            OSError: The disk refuses it, also sqlite3.Error.
        """
        with self.changing((bucket, key)):
            if bucket not in self.backend.buckets:
                raise KeyError(bucket)
            self.backend.delete_object(bucket, key)

    def list_keys(self, bucket: str, prefix: str) -> list[str]:
        """Return the keys that begin with a prefix, sorted.

        Raises:
            KeyError: There is no such bucket.
        """
        with self.lock:
            return sorted(
                name for name, _ in _newest(self.backend.buckets[bucket]) if name.startswith(prefix)
            )

    def exists(self, bucket: str, key: str) -> bool:
        """Return whether there is such an object."""
        with self.lock:
            held = self.backend.buckets.get(bucket)
            return held is not None and isinstance(held.keys.get(key), FakeKey)

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

    def _load_bucket(self, name: str, document: str) -> None:
        known = json.loads(document)
        bucket = self.backend.create_bucket(name, known["region"])
        bucket.creation_date = datetime.fromtimestamp(known["created"], tz=UTC)
        bucket.versioning_status = known["versioning"]
        if known["tags"]:
            self.backend.put_bucket_tagging(name, known["tags"])
        self._buckets[name] = document

    def _load_object(
        self, bucket: str, name: str, *, content: bytes, blob: str, document: str
    ) -> None:
        known = json.loads(document)
        key = self.backend.put_object(
            bucket,
            name,
            content,
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
        self._objects.setdefault(bucket, {})[name] = _Written(key, blob, document)

    def _write(self, places: Iterable[Place]) -> None:
        buckets: dict[str, str | None] = {}
        objects: dict[Place, _Written | None] = {}
        try:
            with self._store.transaction():
                for bucket, key in dict.fromkeys(places):
                    self._write_bucket(bucket, buckets)
                    for name in self._changed(bucket) if key is None else [key]:
                        self._write_object(bucket, name, objects)
        except BaseException:
            for place, written in objects.items():
                self._drop(written, unless=self._known(*place))
            raise
        # Only now, as what is on disk is what the store's last commit names.
        for bucket, text in buckets.items():
            _keep(self._buckets, bucket, text)
        for place, written in objects.items():
            self._drop(self._known(*place), unless=written)
            if written:
                let_go_of_parts(written.key)
            _keep(self._objects.setdefault(place[0], {}), place[1], written)

    def _known(self, bucket: str, name: str | None) -> _Written | None:
        return self._objects.get(bucket, {}).get(name or "")

    def _changed(self, bucket: str) -> list[str]:
        held = self.backend.buckets.get(bucket)
        newest = dict(_newest(held)) if held else {}
        known = {name: written.key for name, written in self._objects.get(bucket, {}).items()}
        names = newest.keys() | known.keys()
        return [name for name in names if newest.get(name) is not known.get(name)]

    def _write_bucket(self, name: str, written: dict[str, str | None]) -> None:
        bucket = self.backend.buckets.get(name)
        if bucket is None:
            self._store.execute("DELETE FROM buckets WHERE name = ?", name)
            # Also those that were left out at the start, as their files were missing.
            self._store.execute("DELETE FROM objects WHERE bucket = ?", name)
            written[name] = None
            return
        document = json.dumps(
            {
                "region": bucket.region_name,
                "created": bucket.creation_date.timestamp(),
                "versioning": bucket.versioning_status,
                "tags": self.backend.tagger.get_tag_dict_for_resource(bucket.arn),
            }
        )
        if document != self._buckets.get(name):
            self._store.execute("INSERT OR REPLACE INTO buckets VALUES (?, ?)", name, document)
            written[name] = document

    def _write_object(self, bucket: str, name: str, written: dict[Place, _Written | None]) -> None:
        held = self.backend.buckets.get(bucket)
        key = held.keys.get(name) if held else None
        if not isinstance(key, FakeKey):  # deleted, or hidden by a delete marker
            self._store.execute("DELETE FROM objects WHERE bucket = ? AND key = ?", bucket, name)
            written[bucket, name] = None
            return
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
        known = self._known(bucket, name)
        if known and known.key is key:
            if known.document == document:
                return
            blob = known.blob
        else:
            blob = self._write_blob(key.value)
        written[bucket, name] = _Written(key, blob, document)
        self._store.execute(
            "INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?)", bucket, name, blob, document
        )

    def _write_blob(self, content: bytes) -> str:
        # A file is complete before the store names it; a crash in between leaves an orphan that
        # `load` removes.
        blob = uuid.uuid4().hex
        try:
            with (self._folder / blob).open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            self._remove(blob)
            raise
        return blob

    def _drop(self, written: _Written | None, *, unless: _Written | None) -> None:
        if written and not (unless and unless.blob == written.blob):
            self._remove(written.blob)

    def _remove(self, blob: str) -> None:
        try:
            (self._folder / blob).unlink(missing_ok=True)
        except OSError as error:  # nothing names it, and the next start tries again
            log.warning("%s/%s cannot be removed: %s", self._folder, blob, error)


def _keep(held: dict[str, Any], name: str | None, value: object) -> None:
    if value is None:
        held.pop(str(name), None)
    else:
        held[str(name)] = value


def _newest(bucket: FakeBucket) -> Iterator[tuple[str, FakeKey]]:
    return ((name, key) for name, key in bucket.keys.items() if isinstance(key, FakeKey))
