"""An embedded SageMaker whose disk refuses one write, as a full disk does.

The first argument is a file that tells which: a word that is new for every fault, ``request`` or
``job`` for writes of requests' threads or of any other, and the write's number from then on; ``0``
is none, ``all`` is every one. Beside it lies the word of the last fault that
came. The others are the server's own.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import sys
import threading
from pathlib import Path
from typing import Any

CONTROL = Path(sys.argv.pop(1))
CHANGING = ("BEGIN", "INSERT", "UPDATE", "DELETE", "COMMIT")


class Disk:
    """Counts the writes, and refuses the one that it was told to refuse."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.fault = ""
        self.count = 0

    def write(self) -> bool:
        """Return whether a write is to be refused."""
        with self.lock:
            fault, whose, number = CONTROL.read_text().split()
            if fault != self.fault:
                self.fault, self.count = fault, 0
            requests = "process_request_thread" in threading.current_thread().name
            if requests != (whose == "request"):
                return False
            self.count += 1
            refused = number in {"all", str(self.count)}
            if refused:
                CONTROL.with_suffix(".refused").write_text(fault)
            return refused


DISK = Disk()


class BadConnection(sqlite3.Connection):
    """SQLite on that disk."""

    def execute(self, statement: str, *parameters: Any) -> sqlite3.Cursor:
        """As sqlite3's."""
        if statement.startswith(CHANGING) and DISK.write():
            raise sqlite3.OperationalError("database or disk is full")
        return super().execute(statement, *parameters)

    def executemany(self, statement: str, *parameters: Any) -> sqlite3.Cursor:
        """As sqlite3's."""
        if DISK.write():
            raise sqlite3.OperationalError("database or disk is full")
        return super().executemany(statement, *parameters)


def bad_fsync(descriptor: int) -> None:
    """Fail when the bytes are in the file already."""
    if DISK.write():
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    fsync(descriptor)


connect, fsync = sqlite3.connect, os.fsync
os.fsync = bad_fsync
sqlite3.connect = lambda *arguments, **options: connect(  # type: ignore[assignment]
    *arguments, factory=BadConnection, **options
)

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[3]))
    from local_sagemaker.__main__ import main

    sys.exit(main())
