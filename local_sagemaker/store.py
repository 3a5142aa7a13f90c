"""The emulator's durable state: documents, tags, tokens and log lines in one SQLite file."""

from __future__ import annotations

import json
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
CREATE TABLE IF NOT EXISTS buckets (name TEXT PRIMARY KEY, document TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS objects (
    bucket TEXT NOT NULL, key TEXT NOT NULL, blob TEXT NOT NULL, document TEXT NOT NULL,
    PRIMARY KEY (bucket, key)
);
"""


class Store:
    """State that outlives the server's process, even when it is killed.

    Documents are kept in memory too: reading one costs nothing. They are shared between threads,
    so nobody may change one; `put` and `update` replace it.

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
        self.execute("INSERT OR IGNORE INTO facts VALUES ('identity', ?)", str(uuid.uuid4()))
        self.identity = str(self.execute("SELECT value FROM facts WHERE name = 'identity'")[0][0])
        self._documents: dict[tuple[str, str], dict[str, Document]] = {}
        for region, kind, name, document in self.execute("SELECT * FROM documents"):
            self._held(str(region), str(kind))[str(name)] = json.loads(str(document))

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
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

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
        return self._held(region, kind).get(name)

    def every(self, region: str, kind: str) -> list[Document]:
        """Return all documents of a kind in a region."""
        with self._lock:
            return list(self._held(region, kind).values())

    def regions(self) -> list[str]:
        """Return the regions that hold a document."""
        with self._lock:
            return sorted({region for region, _ in self._documents})

    def put(self, region: str, kind: str, *, name: str, document: Document) -> Document:
        """Write one document, on disk when this returns."""
        with self._lock:
            self.execute(
                "INSERT OR REPLACE INTO documents VALUES (?, ?, ?, ?)",
                region,
                kind,
                name,
                json.dumps(document),
            )
            self._held(region, kind)[name] = document
            return document

    def update(
        self, region: str, kind: str, *, name: str, change: Callable[[Document], Document]
    ) -> Document:
        """Replace a document that exists by what `change` makes of it, nobody coming between."""
        with self._lock:
            document = self._held(region, kind)[name]
            return self.put(region, kind, name=name, document=change(document))

    def delete(self, region: str, kind: str, *, name: str) -> None:
        """Forget one document."""
        with self._lock:
            self.execute(
                "DELETE FROM documents WHERE region = ? AND kind = ? AND name = ?",
                region,
                kind,
                name,
            )
            self._held(region, kind).pop(name, None)

    def _held(self, region: str, kind: str) -> dict[str, Document]:
        with self._lock:
            return self._documents.setdefault((region, kind), {})

    def close(self) -> None:
        """Close the file; nothing can be read or written afterwards."""
        with self._lock:
            self._connection.close()
