"""What evaluation predicted, made small enough for a chart or a table."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from retraining import naming
from retraining.aws import s3 as objects
from retraining.pipeline import CONFUSION_MATRIX, PLOTS, PREDICTED_AGAINST_ACTUAL, RESIDUALS
from retraining.web.report_pictures import OF_REPORTS, pictured

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# The rows of a split are in random order, so the first of them are a fair sample.
_BYTES = 4_000_000
_POINTS = 1_500
_BINS = 40
_LABELS = 30
_LABEL_LENGTH = 60


@dataclass(frozen=True, slots=True)
class Predictions:
    """The first rows of a ``predictions.csv`` of numbers, thinned out.

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


@dataclass(frozen=True, slots=True)
class ConfusionMatrix:
    """How often which label was taken for which.

    Attributes:
        labels: The most frequent ones, in their order.
        others: So many more labels are counted together, after these; 0 if these are all.
        counts: The rows of each actual label (outside) by the predicted one (inside).
    """

    labels: list[str]
    others: int
    counts: list[list[int]]


class BadPredictionsError(Exception):
    """The file is not what evaluation writes; the message says where."""


def read(s3: Any, run_uri: str, plots: Sequence[str] | None) -> dict[str, Any]:
    """Read a run's predictions as far as its plots need them.

    Args:
        s3: The client.
        run_uri: The run's folder.
        plots: What its pipeline draws; None draws what the file allows.

    Returns:
        ``rows``, ``is_all``, ``plots``, and as these need them the members of ``Predictions``, the
        ``matrix``, and ``pictures`` of the report.

    Raises:
        BadPredictionsError: The file is malformed, or cannot be drawn as it should be.
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
        found = drawn(content.decode(), plots, is_all=is_all)
    except (ValueError, ArithmeticError, csv.Error) as error:
        raise BadPredictionsError(f"{uri}: {error}") from error
    if set(found["plots"]) & set(OF_REPORTS):
        report = objects.get_json(s3, naming.report_uri(run_uri))
        found["pictures"] = pictured(report if isinstance(report, dict) else {}, found["plots"])
    return found


def drawn(text: str, plots: Sequence[str] | None, *, is_all: bool) -> dict[str, Any]:
    """Return what ``read`` does, of a file's text.

    Raises:
        ValueError: The file is malformed, or cannot be drawn as it should be.
        Error: It is no CSV.
    """
    wanted = [plot for plot in PLOTS if plot in plots] if plots is not None else _allowed(text)
    found: dict[str, Any] = {}
    if PREDICTED_AGAINST_ACTUAL in wanted or RESIDUALS in wanted:
        found = asdict(summary(parse(text), is_all=is_all))
    if CONFUSION_MATRIX in wanted:
        pairs = labels(text)
        found = {"rows": len(pairs), "is_all": is_all, **found, "matrix": asdict(confusion(pairs))}
    return {**found, "plots": wanted}


def parse(text: str) -> list[tuple[float, float]]:
    """Read pairs of actual and predicted numbers.

    Raises:
        ValueError: The header is another one, or a line has no two finite numbers.
    """
    pairs = []
    for number, line in _lines(text):
        try:
            actual, predicted = map(float, line)
        except ValueError:
            raise ValueError(f"line {number} has no two numbers") from None
        # The difference of two that are finite may be none.
        if not math.isfinite(predicted - actual):
            raise ValueError(f"line {number} has a number that is not finite")
        pairs.append((actual, predicted))
    return pairs


def labels(text: str) -> list[tuple[str, str]]:
    """Read pairs of actual and predicted labels.

    Raises:
        ValueError: The header is another one, or a line has no two fields.
    """
    pairs = []
    for number, line in _lines(text):
        if len(line) != 2:
            raise ValueError(f"line {number} has no two labels")
        pairs.append((line[0], line[1]))
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


def confusion(pairs: Sequence[tuple[str, str]]) -> ConfusionMatrix:
    """Count pairs of labels; the rarest are counted together where there are many."""
    rows = Counter(label for pair in pairs for label in pair)
    shown = sorted((label for label, _ in rows.most_common(_LABELS)), key=_order)
    place = {label: at for at, label in enumerate(shown)}
    size = len(shown) + (len(rows) > len(shown))
    counts = [[0] * size for _ in range(size)]
    for (actual, predicted), count in Counter(pairs).items():
        counts[place.get(actual, size - 1)][place.get(predicted, size - 1)] += count
    return ConfusionMatrix(
        [label[:_LABEL_LENGTH] for label in shown], len(rows) - len(shown), counts
    )


def _lines(text: str) -> Iterator[tuple[int, list[str]]]:
    lines = csv.reader(io.StringIO(text))
    header = next(lines, [])
    if header != ["actual", "predicted"]:
        raise ValueError(f"line 1 is {','.join(header)[:80]!r} and not 'actual,predicted'")
    is_empty = True
    for line in lines:
        is_empty = False
        yield lines.line_num, line
    if is_empty:
        raise ValueError("it has no rows")


def _allowed(text: str) -> list[str]:
    _, first = next(_lines(text))
    is_number = all(_number(field) is not None for field in first)
    return [PREDICTED_AGAINST_ACTUAL, RESIDUALS] if is_number else [CONFUSION_MATRIX]


def _order(label: str) -> tuple[float, str]:
    number = _number(label)
    # Numbers by their size and before all texts.
    return (math.inf if number is None or math.isnan(number) else number), label


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
