"""The output of jobs in CloudWatch Logs: shipped while they run, kept, and given back to moto."""

from __future__ import annotations

import os
import select
import threading
import time
from itertools import groupby
from typing import IO, TYPE_CHECKING

from moto.logs.models import logs_backends

from local_sagemaker import ACCOUNT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from local_sagemaker.store import Store

_BATCH_SECONDS = 0.5
# The service's limit for an event is 256 KB, of which 26 bytes are its own.
_LONGEST = 256 * 1024 - 26
# moto, like the service, refuses older events; a minute of margin.
_KEPT_MILLISECONDS = 14 * 24 * 3_600_000 - 60_000

Line = tuple[int, str]


class JobLogs:
    """Writes lines to moto's CloudWatch Logs and to the store.

    Attributes:
        lock: Held by whoever reads or changes moto's logs: moto itself does not lock.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.lock = threading.Lock()

    def load(self) -> None:
        """Give moto the lines of the last 14 days; forget older ones."""
        oldest = _now() - _KEPT_MILLISECONDS
        self._store.execute("DELETE FROM log_lines WHERE timestamp < ?", oldest)
        rows = self._store.execute(
            "SELECT region, log_group, stream, timestamp, message FROM log_lines"
            " ORDER BY region, log_group, stream, id"
        )
        for (region, group, stream), lines in groupby(rows, key=lambda row: row[:3]):
            self._give(
                str(region),
                (str(group), str(stream)),
                lines=[(int(str(line[3])), str(line[4])) for line in lines],
            )

    def write(self, region: str, stream: tuple[str, str], *, lines: list[Line]) -> None:
        """Append lines to a stream, which is made if it does not exist.

        Args:
            region: Of the job.
            stream: Log group and stream.
            lines: Milliseconds since the epoch, and text; in order.
        """
        self._store.execute_many(
            "INSERT INTO log_lines (region, log_group, stream, timestamp, message)"
            " VALUES (?, ?, ?, ?, ?)",
            [(region, *stream, timestamp, message) for timestamp, message in lines],
        )
        self._give(region, stream, lines=lines)

    def _give(self, region: str, stream: tuple[str, str], *, lines: list[Line]) -> None:
        group, name = stream
        backend = logs_backends[ACCOUNT][region]
        with self.lock:
            backend.ensure_log_group(group)
            backend.ensure_log_stream(group, name)
            if lines:
                events = [{"timestamp": when, "message": text} for when, text in lines]
                backend.put_log_events(group, name, events)


def follow_output(
    output: IO[bytes], ship: Callable[[list[Line]], None], *, watch: Callable[[Line], None]
) -> None:
    """Read a job's output to its end, and ship it in batches meanwhile.

    Args:
        output: A pipe from the job's processes.
        ship: Takes at least one line, at most half a second after it came.
        watch: Sees every line as it comes.
    """
    splitter = _LineSplitter()
    batch: list[Line] = []
    due = shipped = float("-inf")
    last = 0
    descriptor = output.fileno()
    while True:
        timeout = max(0.0, due - time.monotonic()) if batch else None
        ready, _, _ = select.select([descriptor], [], [], timeout)
        if batch and (not ready or time.monotonic() >= due):
            ship(batch)
            batch, shipped = [], time.monotonic()
        if not ready:
            continue
        chunk = os.read(descriptor, 65536)
        for text in splitter.feed(chunk):
            last = max(last, _now())
            if not batch:
                # At once after a silence; a talkative job waits.
                due = max(time.monotonic(), shipped + _BATCH_SECONDS)
            batch.append((last, text))
            watch(batch[-1])
        if not chunk:
            break
    if batch:
        ship(batch)


class _LineSplitter:
    """Cuts a stream of bytes into the texts of log events."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> Iterator[str]:
        """Yield the lines that `chunk` completes; an empty one ends the stream."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if not chunk:
            lines, self._rest = [*lines, self._rest], b""
        for line in lines:
            yield from _events(line)
        while len(self._rest) > _LONGEST:
            head = _whole_characters(self._rest)
            self._rest = self._rest[len(head) :]
            yield from _events(head)


def _events(line: bytes) -> Iterator[str]:
    line = line.rstrip(b"\r")
    while line:
        head = _whole_characters(line)
        yield head.decode("utf-8", "replace")
        line = line[len(head) :]


def _whole_characters(line: bytes) -> bytes:
    if len(line) <= _LONGEST:
        return line
    end = _LONGEST
    # A UTF-8 character has at most three bytes after its first.
    while end > _LONGEST - 4 and line[end] & 0xC0 == 0x80:
        end -= 1
    return line[:end]


def _now() -> int:
    return time.time_ns() // 1_000_000
