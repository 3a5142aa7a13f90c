"""What became of a run: its decision record and its evaluation report, made into one row."""

from __future__ import annotations

import json
import logging
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from retraining import naming
from retraining.aws.errors import is_missing
from retraining.gate.report import Metrics
from retraining.runs.outcomes import BrokenRecordError, Outcome, outcome_of, stopped_outcome
from retraining.web import aws_reads
from retraining.web.recent import Recent

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from retraining.web.airflow_db import Run

log = logging.getLogger(__name__)

FAILED = "failed"
RUNNING = "running"
NONE = "none"
UNKNOWN = "unknown"
VERDICTS = ("pass", "reject", "undecidable", FAILED, RUNNING, NONE, UNKNOWN)
# A page is no place for more of either than people can look at.
_METRICS = 100
_PATH_LENGTH = 200
_LARGEST_RECORD = 1_000_000
_LARGEST_REPORT = 4_000_000


class BrokenFileError(Exception):
    """A decision record or a report is not what it should be; the message names it."""


@dataclass(frozen=True, slots=True)
class Found:
    """What lies on S3 of a run.

    Attributes:
        outcome: What came of it; None if there is no decision record, or none that can be used.
        fault: What is wrong with record or report, or "".
    """

    outcome: Outcome | None = None
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A run with what became of it, as table and chart show it.

    Attributes:
        run: The run.
        verdict: One of ``VERDICTS``.
        found: What lies on S3.
    """

    run: Run
    verdict: str
    found: Found = field(default_factory=Found)


# A record of a run that has ended is only written again when somebody clears the run.
_ENDED: Recent[Found] = Recent(600.0, 5_000)
_OPEN: Recent[Found] = Recent(5.0, 500)


def read(runs: Sequence[Run], *, seconds: float) -> tuple[list[Row], list[str]]:
    """Read what became of runs.

    Args:
        runs: The runs; the outcome of one that is open is looked for, too.
        seconds: How long to wait for S3 in all.

    Returns:
        A row for each run, and sentences about what could not be read.
    """
    until = time.monotonic() + seconds
    # Before anything is asked, so that what is known is shown while S3 is down.
    answers: dict[tuple[object, ...], Found | Exception] = {
        _key(run): kept for run in runs if (kept := _cache(run).kept(_key(run))) is not None
    }
    wanted = [run for run in runs if run.uri is not None and _key(run) not in answers]
    found = aws_reads.gather(
        "s3",
        [lambda s3, run=run: _recent(s3, run, until) for run in wanted],  # type: ignore[misc]
        seconds=seconds,
    )
    answers |= {_key(run): answer for run, answer in zip(wanted, found, strict=True)}
    said = aws_reads.notices(found, about="decision records")
    return [row_of(run, answers.get(_key(run), Found())) for run in runs], said


def found_in(record: bytes, report: bytes | None, *, uri: str, is_on_data: bool = False) -> Found:
    """Read a decision record and a report, whatever these bytes are; never raises.

    Args:
        record: The content of ``decision.json``.
        report: The content of ``evaluation.json``; None if there is none.
        uri: Of the record, for what is said of it.
        is_on_data: Whether it is about the run's data; then nothing is found unless the run was
            stopped by them.
    """
    try:
        content = json.loads(record)
    except (ValueError, RecursionError) as error:
        return Found(fault=f"{uri} is not JSON: {error}")
    try:
        outcome = stopped_outcome(content) if is_on_data else outcome_of(content, report)
    except BrokenRecordError as error:
        return Found(fault=f"{uri} is no decision record: {error}")
    except Exception as error:
        # Whatever it is, it is this run's: all others are shown.
        log.exception("%s cannot be read", uri)
        return Found(fault=f"{uri} cannot be read: {type(error).__name__}: {error}")
    return _few_metrics(Found(outcome, outcome.unreadable)) if outcome else Found()


def body(s3: Any, uri: str) -> bytes | None:
    """Return the content of a decision record; None if there is none.

    Raises:
        BrokenFileError: It is larger than any record.
    """
    content, _ = _body(s3, uri, most=_LARGEST_RECORD)
    return content


def row_of(run: Run, answer: Found | Exception) -> Row:
    """Put a run and what was found of it together."""
    if isinstance(answer, Exception):
        return Row(run, UNKNOWN, Found(fault=str(answer)))
    if answer.outcome is not None:
        return Row(run, answer.outcome.verdict.value, answer)
    verdict = {"failed": FAILED, "success": NONE}.get(run.state, RUNNING)
    return Row(run, UNKNOWN if answer.fault else verdict, answer)


def _few_metrics(found: Found) -> Found:
    outcome = found.outcome
    if outcome is None:
        return found
    metrics = outcome.metrics
    first = [outcome.headline.metric] if outcome.headline else []
    first += [bound.metric for bound in outcome.bounds]
    every = [*metrics.measures, *metrics.unusable]
    there = dict.fromkeys(path for path in [*first, *every] if path in {*every})
    shown = {*[path for path in there if len(path) <= _PATH_LENGTH][:_METRICS]}
    if len(shown) == len(every):
        return found
    few = Metrics(
        {path: measure for path, measure in metrics.measures.items() if path in shown},
        {path: word for path, word in metrics.unusable.items() if path in shown},
        metrics.rows,
    )
    said = f"the report has {len(every)} metrics; {len(shown)} of them are shown"
    fault = "; ".join(filter(None, (found.fault, said)))
    return replace(found, outcome=replace(outcome, metrics=few), fault=fault)


def _recent(s3: Any, run: Run, until: float) -> Found:
    if time.monotonic() > until:
        # Whoever asked has gone; the queue must not keep the next one waiting.
        raise aws_reads.UnavailableError("S3 was too slow")
    return _cache(run).get(_key(run), lambda: _read(s3, run.uri or "", state=run.state))


def _cache(run: Run) -> Recent[Found]:
    return _ENDED if run.has_ended else _OPEN


def _key(run: Run) -> tuple[object, ...]:
    # A state and an end that differ are another run of the tasks: somebody cleared the run.
    return run.uri, run.state, run.ended


def _read(s3: Any, run_uri: str, *, state: str) -> Found:
    on_model, decided = _on_model(s3, run_uri)
    # Of thousands of runs that came to the end, each would cost another request.
    if decided is not None and state != "failed":
        return on_model
    on_data, stopped = _on_data(s3, run_uri)
    is_later = decided is None or (stopped is not None and decided < stopped)
    return on_data if is_later and (on_data.outcome or on_data.fault) else on_model


def _on_model(s3: Any, run_uri: str) -> tuple[Found, datetime | None]:
    uri = naming.decision_uri(run_uri)
    try:
        record, decided = _body(s3, uri, most=_LARGEST_RECORD)
    except BrokenFileError as error:
        return Found(fault=str(error)), None
    if record is None:
        return Found(), None
    try:
        report, _ = _body(s3, naming.report_uri(run_uri), most=_LARGEST_REPORT)
    except BrokenFileError as error:
        found = found_in(record, None, uri=uri)
        fault = "; ".join(filter(None, (found.fault, str(error))))
        return replace(found, fault=fault), decided
    return found_in(record, report, uri=uri), decided


def _on_data(s3: Any, run_uri: str) -> tuple[Found, datetime | None]:
    uri = naming.data_decision_uri(run_uri)
    try:
        record, decided = _body(s3, uri, most=_LARGEST_RECORD)
    except BrokenFileError as error:
        return Found(fault=str(error)), None
    if record is None:
        return Found(), None
    return found_in(record, None, uri=uri, is_on_data=True), decided


def _body(s3: Any, uri: str, *, most: int) -> tuple[bytes | None, datetime | None]:
    """Return an object's content, and when it was written; neither if there is none."""
    bucket, key = naming.split_s3_uri(uri)
    try:
        answer = s3.get_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if is_missing(error):
            return None, None
        raise
    if answer["ContentLength"] > most:
        raise BrokenFileError(f"{uri} has {answer['ContentLength']} bytes; {most} are read")
    content: bytes = answer["Body"].read()
    return content, answer["LastModified"]
