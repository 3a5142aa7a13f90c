"""Records of a transform job's objects: split, filtered, joined with the answers, and assembled."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from local_sagemaker.transform.json_path import JsonPath, PathError

CSV, JSON, JSON_LINES = "text/csv", "application/json", "application/jsonlines"
FORMATS = (CSV, JSON, JSON_LINES)
_OUTPUT, _INPUT = "SageMakerOutput", "SageMakerInput"
# A cell may be as long as a payload; Python's own limit is 128 KB.
csv.field_size_limit(128 * 1024 * 1024)


class RecordError(Exception):
    """Something in an object, or in an answer to it, that ends the object's transform."""


@dataclass(frozen=True, slots=True)
class Payload:
    """What one request carries.

    Attributes:
        body: Of the request.
        records: What its records are joined with, as they were before the input filter.
    """

    body: bytes
    records: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Records:
    """How a job reads and writes records.

    Attributes:
        by_line: An object is split into lines; else it is one record.
        assemble_lines: Each answer ends with a newline.
        source: The format of the input, if it matters.
        target: The format of the answers, if it matters.
        input_filter: Selects what is sent.
        output_filter: Selects what is kept.
        join: Answers are joined with their records.
    """

    by_line: bool
    assemble_lines: bool
    source: str
    target: str
    input_filter: JsonPath
    output_filter: JsonPath
    join: bool

    def payloads(self, content: bytes, *, largest: int | None, single: bool) -> Iterator[Payload]:
        """Yield the requests of an object, in order; lines without anything in them are none.

        Args:
            content: Of the object.
            largest: Bytes of a request; None for any number.
            single: A request has one record; else as many as fit.

        Raises:
            RecordError: A record is too large, or cannot be read.
        """
        lines: list[bytes] = []
        records: list[object] = []
        size = 0
        for number, (told, record) in enumerate(self._records(content), start=1):
            if largest is not None and len(told) > largest:
                raise RecordError(
                    f"Too much data for max payload size: record {number} has {len(told)} bytes,"
                    f" MaxPayloadInMB allows {largest}"
                )
            full = largest is not None and size + len(told) > largest
            if records and (single or full):
                yield Payload(b"".join(lines), tuple(records))
                lines, records, size = [], [], 0
            lines.append(told)
            records.append(record)
            size += len(told)
        if records:
            yield Payload(b"".join(lines), tuple(records))

    def assemble(self, payload: Payload, answer: bytes) -> bytes:
        """Return what an answer becomes in the object that is written.

        Raises:
            RecordError: It cannot be read, or does not have a result for each record.
        """
        if not self.join and self.output_filter.whole:
            ended = not self.assemble_lines or answer.endswith(b"\n")
            return answer if ended else answer + b"\n"
        whole = [answer] if self.target == JSON else _lines(answer)
        results = [_read(line, self.target, whose="the answer") for line in whole]
        if self.join:
            if len(results) != len(payload.records):
                raise RecordError(
                    f"The answer has {len(results)} results for {len(payload.records)} records:"
                    " they cannot be joined"
                )
            results = [
                _joined(record, result, self.target)
                for record, result in zip(payload.records, results, strict=True)
            ]
        end = b"\n" if self.assemble_lines or self.target != JSON else b""
        return b"".join(
            _write(_select(self.output_filter, result), self.target) + end for result in results
        )

    def _records(self, content: bytes) -> Iterator[tuple[bytes, object]]:
        needed = self.join or not self.input_filter.whole
        for number, line in enumerate(_lines(content) if self.by_line else [content], start=1):
            if not needed:
                yield line, None
                continue
            record = _read(line, self.source, whose=f"record {number}")
            if self.input_filter.whole:
                yield line, record
                continue
            told = _write(_select(self.input_filter, record), self.source)
            yield told + b"\n" if self.by_line else told, record


def _lines(content: bytes) -> Iterable[bytes]:
    # Not by splitlines: only a newline ends a record.
    return (line for line in io.BytesIO(content) if line.strip())


def _read(line: bytes, form: str, *, whose: str) -> Any:
    try:
        text = line.decode()
        if form != CSV:
            return json.loads(text, parse_constant=_number, parse_float=_number)
        (row,) = csv.reader([text.rstrip("\r\n")], strict=True)
    except (ValueError, RecursionError, csv.Error) as error:
        raise RecordError(f"Failed to parse {whose} as {form}: {error}") from error
    return row


def _number(word: str) -> float:
    value = float(word)
    if math.isfinite(value):
        return value
    raise ValueError(f"{word} is no number that JSON can hold")


def _write(value: object, form: str) -> bytes:
    if form != CSV:
        told = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        # Half of a surrogate pair can be escaped in JSON alone.
        return told.encode(errors="backslashreplace")
    row = value if isinstance(value, list) else [value]
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(row)
    return text.getvalue().encode()


def _select(path: JsonPath, value: object) -> object:
    try:
        return path.find(value)
    except PathError as error:
        raise RecordError(str(error)) from error


def _joined(record: Any, result: Any, form: str) -> object:
    if form == CSV:
        return [*record, *result]
    if isinstance(record, Mapping):
        return {**record, _OUTPUT: result}
    return {_INPUT: record, _OUTPUT: result}
