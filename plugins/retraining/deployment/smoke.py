"""Rows of a run's own test split that an endpoint must answer as evaluation answered them."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from retraining import naming

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_s3 import S3Client

PREDICTED = "predicted"
_ACTUAL = "actual"


class SmokeRowsError(Exception):
    """A version's smoke rows cannot be had; the message says which file and why."""


@dataclass(frozen=True, slots=True)
class SmokeRows:
    """Some rows and what evaluation predicted for them.

    Attributes:
        payload: The rows as text/csv, without a header and without the target.
        predicted: One number a row.
    """

    payload: str
    predicted: tuple[float, ...]


def read(s3: S3Client, report_uri: str, *, target: str, rows: int) -> SmokeRows:
    """Read the first rows of the test split of the run that wrote a report.

    Args:
        s3: The client.
        report_uri: The evaluation report, as the registry has it.
        target: The column that is predicted, which an endpoint is not sent.
        rows: At most so many.

    Raises:
        SmokeRowsError: A file is missing, or is not what evaluation left there.
    """
    try:
        run_uri = naming.run_of_report(report_uri)
    except naming.InvalidNameError as error:
        raise SmokeRowsError(f"the version does not say which run made it: {error}") from error
    tested_uri, judged_uri = naming.held_out_uri(run_uri), naming.predictions_uri(run_uri)
    tested = list(islice(_lines(s3, tested_uri), rows + 1))
    judged = list(islice(_lines(s3, judged_uri), rows + 1))
    if len(tested) < 2 or len(tested) != len(judged):
        raise SmokeRowsError(
            f"{tested_uri} has {len(tested)} of the lines wanted and {judged_uri} has"
            f" {len(judged)}: they must have as many, a header and a row at least"
        )
    actual = _column(judged, _ACTUAL, judged_uri)
    answers = _column(tested, target, tested_uri)
    for number, (mine, theirs) in enumerate(zip(answers, actual, strict=True), 2):
        if not math.isclose(mine, theirs, rel_tol=1e-9):
            raise SmokeRowsError(
                f"line {number} of {judged_uri} is not about line {number} of {tested_uri}:"
                f" {target} is {mine} in one and {theirs} in the other"
            )
    place = tested[0].index(target)
    payload = io.StringIO()
    csv.writer(payload, lineterminator="\n").writerows(
        line[:place] + line[place + 1 :] for line in tested[1:]
    )
    return SmokeRows(payload.getvalue(), tuple(_column(judged, PREDICTED, judged_uri)))


def difference(answer: str, expected: tuple[float, ...], *, tolerance: float) -> str | None:
    """Say how an endpoint's answer differs from what was expected, None if it does not.

    Args:
        answer: text/csv.
        expected: One number a row.
        tolerance: The relative difference that is allowed.
    """
    fields = answer.replace(",", " ").split()
    try:
        numbers = [float(field) for field in fields]
    except ValueError:
        return f"it does not answer with numbers but with {answer[:200]!r}"
    if len(numbers) != len(expected):
        return f"it answers {len(expected)} rows with {len(numbers)} numbers"
    for row, (number, wanted) in enumerate(zip(numbers, expected, strict=True), 1):
        if not math.isclose(number, wanted, rel_tol=tolerance, abs_tol=1e-12):
            return (
                f"row {row} of the test split is predicted as {number!r}; evaluation predicted"
                f" {wanted!r}, and they may differ by {tolerance:g} of it"
            )
    return None


def _column(lines: list[list[str]], name: str, uri: str) -> list[float]:
    try:
        place = lines[0].index(name)
        return [float(line[place]) for line in lines[1:]]
    except (IndexError, ValueError) as error:
        raise SmokeRowsError(f"{uri} has no column {name!r} of numbers: {error}") from error


def _lines(s3: S3Client, uri: str) -> Iterator[list[str]]:
    bucket, key = naming.split_s3_uri(uri)
    try:
        body = s3.get_object(Bucket=bucket, Key=key)["Body"]
    except (s3.exceptions.NoSuchKey, s3.exceptions.NoSuchBucket) as error:
        raise SmokeRowsError(f"there is nothing at {uri}") from error
    try:
        # The split may be large, and only its beginning is wanted.
        yield from csv.reader(line.decode() for line in body.iter_lines())
    finally:
        body.close()
