"""The emulator's durable state: documents, tags, tokens, log lines and IAM in one SQLite file."""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

Document = Mapping[str, object]
Rows = list[tuple[object, ...]]
# Where a document stands in an order: the value that it is sorted by, and its name.
Position = tuple[object, object]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS documents (
    region TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, document TEXT NOT NULL,
    PRIMARY KEY (region, kind, name)
);
CREATE TABLE IF NOT EXISTS tags (
    arn TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (arn, key)
);
CREATE TABLE IF NOT EXISTS client_tokens (
    region TEXT NOT NULL, operation TEXT NOT NULL, token TEXT NOT NULL,
    fingerprint TEXT NOT NULL, arn TEXT NOT NULL, PRIMARY KEY (region, operation, token)
);
CREATE TABLE IF NOT EXISTS log_lines (
    id INTEGER PRIMARY KEY, region TEXT NOT NULL, log_group TEXT NOT NULL, stream TEXT NOT NULL,
    timestamp INTEGER NOT NULL, message TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS iam (
    kind TEXT NOT NULL, name TEXT NOT NULL, document TEXT NOT NULL, PRIMARY KEY (kind, name)
);
CREATE TABLE IF NOT EXISTS buckets (name TEXT PRIMARY KEY, document TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS objects (
    bucket TEXT NOT NULL, key TEXT NOT NULL, blob TEXT NOT NULL, document TEXT NOT NULL,
    PRIMARY KEY (bucket, key)
);
"""
# What of a document is looked for, in columns and indexes of their own; since version 1.
_INDEXES = (
    "ALTER TABLE documents ADD COLUMN created REAL",
    "ALTER TABLE documents ADD COLUMN status TEXT",
    "ALTER TABLE documents ADD COLUMN parent TEXT",
    "CREATE INDEX documents_by_creation ON documents (region, kind, created, name)",
    "CREATE INDEX documents_of_parent ON documents (region, kind, parent, created, name)",
    "CREATE INDEX documents_by_status ON documents (kind, status, region, created, name)",
    "CREATE INDEX log_lines_of_stream ON log_lines (region, log_group, stream, timestamp)",
    "PRAGMA user_version = 1",
)
_STATUSES = (
    "ProcessingJobStatus",
    "TrainingJobStatus",
    "TransformJobStatus",
    "HyperParameterTuningJobStatus",
    "EndpointStatus",
)
_PARENTS = ("ModelPackageGroupName", "TuningJobArn")
# How many documents are read at once: few for a first page, ever more for whoever goes on.
_FIRST_CHUNK, _LARGEST_CHUNK = 16, 1024
_RETRY_SECONDS = 1.0

log = logging.getLogger(__name__)


class Store:
    """State that outlives the server's process, even when it is killed.

    The file is the only place where it is: what could not be written was never there.

    Attributes:
        identity: Tells this state folder from any other, for ever.
    """

    def __init__(self, file: Path) -> None:
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode = WAL")
        # A crash of the process loses nothing; one of the machine may lose the last moments.
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.executescript(_SCHEMA)
        if self.execute("PRAGMA user_version") == [(0,)]:
            self._index()
        self.execute("INSERT OR IGNORE INTO facts VALUES ('identity', ?)", str(uuid.uuid4()))
        self.identity = str(self.execute("SELECT value FROM facts WHERE name = 'identity'")[0][0])

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make all changes inside of the block at once, or none; other threads wait."""
        with self._lock:
            if self._connection.in_transaction:
                yield
                return
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                # On a full disk SQLite may have rolled back by itself.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def execute(self, statement: str, *parameters: object) -> Rows:
        """Run one SQL statement and return its rows."""
        with self._lock:
            return self._connection.execute(statement, parameters).fetchall()

    def execute_many(self, statement: str, rows: Iterable[tuple[object, ...]]) -> None:
        """Run one SQL statement for each row, all or none."""
        with self.transaction():
            self._connection.executemany(statement, rows)

    def get(self, region: str, kind: str, *, name: str) -> Document | None:
        """Return one document, or None."""
        rows = self.execute(
            "SELECT document FROM documents WHERE region = ? AND kind = ? AND name = ?",
            region,
            kind,
            name,
        )
        return _read(rows[0][0]) if rows else None

    def walk(
        self,
        region: str,
        kind: str,
        *,
        order: str = "created",
        descending: bool = False,
        after: Position | None = None,
        status: object = None,
        parent: object = None,
        part: str = "",
    ) -> Iterator[tuple[Position, Document]]:
        """Go through the documents of a kind; as many are read as are taken, or a few more.

        Args:
            region: Where they are.
            kind: Which they are.
            order: What they are sorted by, in SQL; equals are in the order of their names.
            descending: The last one first.
            after: Begin behind this position.
            status: Only those in it.
            parent: Only those of that model package group, or of that tuner.
            part: Only those that have it in their name, as the store knows that.
        """
        direction, beyond = ("DESC", "<") if descending else ("ASC", ">")
        filters = {"region": region, "kind": kind, "status": status, "parent": parent}
        asked = {column: value for column, value in filters.items() if value is not None}
        where = " AND ".join([*(f"{column} = ?" for column in asked), "instr(name, ?)"])
        chunk = _FIRST_CHUNK
        while True:
            behind = f" AND ({order}, name) {beyond} (?, ?)" if after else ""
            rows = self.execute(
                f"SELECT {order}, name, document FROM documents WHERE {where}{behind}"  # noqa: S608 -- our own words
                f" ORDER BY {order} {direction}, name {direction} LIMIT {chunk}",
                *asked.values(),
                part,
                *(after or ()),
            )
            for value, named, document in rows:
                after = value, named
                yield after, _read(document)
            if len(rows) < chunk:
                return
            chunk = min(chunk * 4, _LARGEST_CHUNK)

    def in_status(self, kind: str, *statuses: str) -> list[tuple[str, str]]:
        """Return region and name of every document of a kind that is in one of the statuses."""
        marks = ", ".join("?" * len(statuses))
        rows = self.execute(
            f"SELECT region, name FROM documents WHERE kind = ? AND status IN ({marks})",  # noqa: S608 -- question marks
            kind,
            *statuses,
        )
        return [(str(region), str(name)) for region, name in rows]

    def put(self, region: str, kind: str, *, name: str, document: Document) -> Document:
        """Write one document, on disk when this returns."""
        self.execute(
            "INSERT OR REPLACE INTO documents VALUES (?, ?, ?, ?, ?, ?, ?)",
            region,
            kind,
            name,
            json.dumps(document),
            *_columns(document),
        )
        return document

    def update(
        self, region: str, kind: str, *, name: str, change: Callable[[Document], Document]
    ) -> Document:
        """Replace a document that exists by what `change` makes of it, nobody coming between.

        Raises:
            KeyError: There is none of that name.
        """
        with self.transaction():
            document = self.get(region, kind, name=name)
            if document is None:
                raise KeyError(name)
            return self.put(region, kind, name=name, document=change(document))

    def delete(self, region: str, kind: str, *, name: str) -> None:
        """Forget one document."""
        self.execute(
            "DELETE FROM documents WHERE region = ? AND kind = ? AND name = ?", region, kind, name
        )

    def close(self) -> None:
        """Close the file; nothing can be read or written afterwards."""
        with self._lock:
            self._connection.close()

    def _index(self) -> None:
        with self.transaction():
            for statement in _INDEXES:
                self.execute(statement)
            for row, document in self.execute("SELECT rowid, document FROM documents"):
                self.execute(
                    "UPDATE documents SET created = ?, status = ?, parent = ? WHERE rowid = ?",
                    *_columns(_read(document)),
                    row,
                )


def until_written(write: Callable[[], object], *, closing: threading.Event, what: str) -> None:
    """Repeat a write that tells how something has ended until it succeeds, or the server ends.

    A disk that is full now may have room in a moment; the next start concludes what is left.
    """
    while True:
        try:
            write()
        except (OSError, sqlite3.Error):
            log.exception("%s: its end could not be written; trying again", what)
            if closing.wait(_RETRY_SECONDS):
                return
        else:
            return


def _read(document: object) -> Document:
    read: Document = json.loads(str(document))
    return read


def _columns(document: Document) -> tuple[object, object, object]:
    status = next((document[name] for name in _STATUSES if name in document), None)
    parent = next((document[name] for name in _PARENTS if name in document), None)
    return document.get("CreationTime"), status, parent
