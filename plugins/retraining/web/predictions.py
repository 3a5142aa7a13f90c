"""What evaluation predicted, made small enough for a chart."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from retraining import naming

if TYPE_CHECKING:
    from collections.abc import Sequence

# The rows of a split are in random order, so the first of them are a fair sample.
_BYTES = 4_000_000
_POINTS = 1_500
_BINS = 40


@dataclass(frozen=True, slots=True)
class Predictions:
    """The first rows of ``predictions.csv``, thinned out.

    Attributes:
        rows: So many rows were read.
        is_all: Whether these are all there are.
        points: Pairs of actual and predicted, every n-th of the rows that were read.
        edges: Of the bins of the residuals (predicted - actual), one more than bins.
        counts: The rows in each bin.
        mean: Of the residuals.
    """

    rows: int
    is_all: bool
    points: list[tuple[float, float]]
    edges: list[float]
    counts: list[int]
    mean: float


class BadPredictionsError(Exception):
    """The file is not what evaluation writes; the message says where."""


def read(s3: Any, run_uri: str) -> dict[str, Any]:
    """Read a run's predictions.

    Raises:
        BadPredictionsError: The file is malformed.
        ClientError: There is none.
    """
    uri = naming.predictions_uri(run_uri)
    bucket, key = naming.split_s3_uri(uri)
    answer = s3.get_object(Bucket=bucket, Key=key, Range=f"bytes=0-{_BYTES - 1}")
    content: bytes = answer["Body"].read()
    is_all = int(answer.get("ContentRange", "/0").rpartition("/")[2]) <= len(content)
    if not is_all:
        content = content[: content.rfind(b"\n") + 1]
    try:
        pairs = parse(content.decode())
    except (ValueError, UnicodeDecodeError) as error:
        raise BadPredictionsError(f"{uri}: {error}") from error
    return asdict(summary(pairs, is_all=is_all))


def parse(text: str) -> list[tuple[float, float]]:
    """Read pairs of actual and predicted.

    Raises:
        ValueError: The header is another one, or a line has no two finite numbers.
    """
    lines = csv.reader(io.StringIO(text))
    header = next(lines, [])
    if header != ["actual", "predicted"]:
        raise ValueError(f"line 1 is {','.join(header)[:80]!r} and not 'actual,predicted'")
    pairs = []
    for line in lines:
        try:
            actual, predicted = map(float, line)
        except ValueError:
            raise ValueError(f"line {lines.line_num} has no two numbers") from None
        if not (math.isfinite(actual) and math.isfinite(predicted)):
            raise ValueError(f"line {lines.line_num} has a number that is not finite")
        pairs.append((actual, predicted))
    if not pairs:
        raise ValueError("it has no rows")
    return pairs


def summary(pairs: Sequence[tuple[float, float]], *, is_all: bool) -> Predictions:
    """Thin pairs out, and count their residuals in bins."""
    residuals = [predicted - actual for actual, predicted in pairs]
    low, high = min(residuals), max(residuals)
    width = (high - low) / _BINS or 1.0
    counts = [0] * _BINS
    for residual in residuals:
        counts[min(int((residual - low) / width), _BINS - 1)] += 1
    every = math.ceil(len(pairs) / _POINTS)
    return Predictions(
        rows=len(pairs),
        is_all=is_all,
        points=list(pairs[::every]),
        edges=[low + width * number for number in range(_BINS + 1)],
        counts=counts,
        mean=math.fsum(residuals) / len(residuals),
    )
