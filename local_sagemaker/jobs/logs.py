"""The output of jobs in CloudWatch Logs: shipped while they run, kept, and given back to moto."""

from __future__ import annotations

import logging
import os
import select
import threading
import time
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, TypeVar

from moto.logs.models import LogEvent, LogStream, logs_backends

from local_sagemaker import ACCOUNT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Self

    from moto.logs.models import LogGroup

    from local_sagemaker.store import Store

_BATCH_SECONDS = 0.5
_LOOK_SECONDS = 0.5
# When the command has ended: for a pipe that is silent and yet not closed, and for any.
_SILENT_SECONDS = 3.0
_LAST_SECONDS = 20.0
# The service's limit for an event is 256 KB, of which 26 bytes are its own.
_LONGEST = 256 * 1024 - 26
# moto, like the service, refuses older events; a minute of margin.
_KEPT_MILLISECONDS = 14 * 24 * 3_600_000 - 60_000

_LATEST = 2**63 - 1
_OF_STREAM = "region = ? AND log_group = ? AND stream = ?"

Line = tuple[int, str]
_Taken = TypeVar("_Taken")

log = logging.getLogger(__name__)


class JobLogs:
    """Writes lines to the store, and shows them in moto's CloudWatch Logs.

    Attributes:
        lock: Held by whoever reads or changes moto's logs: moto itself does not lock.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.lock = threading.Lock()

    def load(self) -> None:
        """Show moto the streams; forget lines of more than 14 days ago."""
        oldest = _now() - _KEPT_MILLISECONDS
        for stream in self._streams():
            region, group, name = stream
            first, last = _Lines(self._store, stream).span() or (0, 0)
            if first < oldest:
                self._store.execute(
                    f"DELETE FROM log_lines WHERE {_OF_STREAM} AND timestamp < ?",  # noqa: S608 -- our own words
                    *stream,
                    oldest,
                )
            if last >= oldest:
                self._show(region, (group, name))

    def _streams(self) -> Iterator[tuple[str, str, str]]:
        # From one to the next in the index, behind its last line: there may be millions of them.
        found = ("", "", "")
        while rows := self._store.execute(
            "SELECT region, log_group, stream FROM log_lines"
            " WHERE (region, log_group, stream, timestamp) > (?, ?, ?, ?)"
            " ORDER BY region, log_group, stream, timestamp LIMIT 1",
            *found,
            _LATEST,
        ):
            region, group, stream = map(str, rows[0])
            found = region, group, stream
            yield found

    def has_group(self, region: str, group: str) -> bool:
        """Return whether there is such a log group."""
        with self.lock:
            return group in logs_backends[ACCOUNT][region].groups

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
        self._show(region, stream)

    def _show(self, region: str, stream: tuple[str, str]) -> None:
        group, name = stream
        backend = logs_backends[ACCOUNT][region]
        with self.lock:
            backend.ensure_log_group(group)
            held = backend.groups[group]
            if name not in held.streams:
                held.streams[name] = _KeptStream(held, name, _Lines(self._store, (region, *stream)))


class _Lines:
    """The events of a stream, read from the store whenever somebody looks."""

    def __init__(self, store: Store, stream: tuple[str, str, str]) -> None:
        self._store, self._stream = store, stream
        # Those that clients have put beside the job's own; they are not kept.
        self._others: list[LogEvent] = []

    def __iter__(self) -> Iterator[LogEvent]:
        rows = self._store.execute(
            f"SELECT id, timestamp, message FROM log_lines WHERE {_OF_STREAM}"  # noqa: S608 -- our own words
            " ORDER BY timestamp, id",
            *self._stream,
        )
        for number, timestamp, message in rows:
            event = LogEvent(int(str(timestamp)), {"timestamp": timestamp, "message": message})
            event.event_id = int(str(number))
            yield event
        yield from self._others

    def __bool__(self) -> bool:
        return self.span() is not None

    def __iadd__(self, events: list[LogEvent]) -> Self:
        self._others += events
        return self

    def span(self) -> tuple[int, int] | None:
        """Return the times of the first and the last event."""
        rows = self._store.execute(
            f"SELECT min(timestamp) FROM log_lines WHERE {_OF_STREAM}"  # noqa: S608 -- our own words
            f" UNION ALL SELECT max(timestamp) FROM log_lines WHERE {_OF_STREAM}",
            *self._stream,
            *self._stream,
        )
        times = [int(str(time)) for (time,) in rows if time is not None]
        times += [event.timestamp for event in self._others]
        return (min(times), max(times)) if times else None


class _KeptStream(LogStream):
    """A stream of a job or an endpoint; of its own it holds nothing in memory."""

    def __init__(self, group: LogGroup, name: str, lines: _Lines) -> None:
        super().__init__(group, name)
        self.events = lines  # type: ignore[assignment]  # moto goes through it, and adds to it
        self._lines = lines

    def _update(self) -> None:
        if span := self._lines.span():
            self.first_event_timestamp, self.last_event_timestamp = span  # type: ignore[assignment]
            # moto reckons with naive times.
            self.last_ingestion_time = datetime.fromtimestamp(span[1] / 1000, UTC).replace(
                tzinfo=None
            )


def follow_output(
    output: IO[bytes],
    ship: Callable[[list[Line]], None],
    *,
    watch: Callable[[Line], None],
    ended: threading.Event,
) -> None:
    """Read a job's output to its end, and ship it in batches meanwhile.

    Whatever `ship` and `watch` raise is logged, and the output is read on: a process must not wait
    for a reader that has gone.

    Args:
        output: A pipe from the job's processes.
        ship: Takes at least one line, at most half a second after it came.
        watch: Sees every line as it comes.
        ended: Set when the command has ended. A process that left the job may hold its output open;
            it is not read for longer than some seconds more.
    """
    splitter = _LineSplitter()
    batch: list[Line] = []
    due = shipped = heard = float("-inf")
    last, limit = 0, float("inf")
    descriptor = output.fileno()
    chunk = b"?"
    while chunk:
        timeout = max(0.0, due - time.monotonic()) if batch else _LOOK_SECONDS
        ready, _, _ = select.select([descriptor], [], [], timeout)
        if batch and (not ready or time.monotonic() >= due):
            _attempt(ship, batch)
            batch, shipped = [], time.monotonic()
        now = time.monotonic()
        if ended.is_set():
            limit = min(limit, now + _LAST_SECONDS)
        if ready or not ended.is_set():
            heard = now
        over = now > min(limit, heard + _SILENT_SECONDS)
        if not ready and not over:
            continue
        chunk = b"" if over else os.read(descriptor, 65536)
        for text in splitter.feed(chunk):
            last = max(last, _now())
            if not batch:
                # At once after a silence; a talkative job waits.
                due = max(time.monotonic(), shipped + _BATCH_SECONDS)
            batch.append((last, text))
            _attempt(watch, batch[-1])
    if batch:
        _attempt(ship, batch)


def _attempt(work: Callable[[_Taken], None], taken: _Taken) -> None:
    try:
        work(taken)
    except Exception:
        log.exception("lines of a log are lost, or were not looked at")


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
