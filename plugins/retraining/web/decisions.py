"""What became of a run: its decision record and its evaluation report, made into one row."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from retraining import naming
from retraining.gate.bounds import first_bound
from retraining.gate.report import finite
from retraining.web import aws_reads
from retraining.web.recent import Recent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from retraining.gate.bounds import Bound
    from retraining.web.dag_runs import Run

FAILED = "failed"
RUNNING = "running"
NONE = "none"
UNKNOWN = "unknown"
VERDICTS = ("pass", "reject", "undecidable", FAILED, RUNNING, NONE, UNKNOWN)
_LARGEST = 1_000_000


class BrokenFileError(Exception):
    """A decision record or a report is not what it should be; the message names it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What lies on S3 of a run.

    Attributes:
        decision: The decision record; None if there is none.
        report: The evaluation report; None if there is none, or it cannot be read.
        fault: What is wrong with either, or "".
    """

    decision: Mapping[str, Any] | None = None
    report: Mapping[str, Any] | None = None
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A run with its outcome, as table and chart show it.

    Attributes:
        run: The run.
        verdict: One of ``VERDICTS``.
        outcome: What lies on S3.
        metrics: Of the report, by the last part of their names: value, standard deviation.
        limit: The gate's first comparison; None if the record does not tell.
        rows: How many rows snapshot and splits had.
        version: The version that was registered; None if none was.
        arn: Of that version.
    """

    run: Run
    verdict: str
    outcome: Outcome
    metrics: Mapping[str, tuple[float, float | None]] = field(default_factory=dict)
    limit: Bound | None = None
    rows: Mapping[str, int] = field(default_factory=dict)
    version: int | None = None
    arn: str = ""


# A record of a run that has ended is only written again when somebody clears the run.
_ENDED: Recent[Outcome] = Recent(600.0, 5_000)
_OPEN: Recent[Outcome] = Recent(5.0, 500)


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
    outcomes: dict[str, Outcome | Exception] = {
        run.run_id: kept for run in runs if (kept := _cache(run).kept(_key(run))) is not None
    }
    wanted = [run for run in runs if run.uri is not None and run.run_id not in outcomes]
    found = aws_reads.gather(
        "s3",
        [lambda s3, run=run: _recent(s3, run, until) for run in wanted],  # type: ignore[misc]
        seconds=seconds,
    )
    outcomes |= {run.run_id: outcome for run, outcome in zip(wanted, found, strict=True)}
    said = aws_reads.notices(found, about="decision records")
    return [_row(run, outcomes.get(run.run_id, Outcome())) for run in runs], said


def metrics_of(report: object, name: str = "") -> dict[str, tuple[float, float | None]]:
    """Return a report's leaves that have a ``value``, by the last part of their names."""
    if not isinstance(report, dict):
        return {}
    if (value := finite(report.get("value"))) is not None:
        return {name: (value, finite(report.get("standard_deviation")))}
    found: dict[str, tuple[float, float | None]] = {}
    for key, inner in report.items():
        found |= metrics_of(inner, str(key))
    return found


def get_json(s3: Any, uri: str) -> dict[str, Any] | None:
    """Read a JSON object from S3; None if there is no such object.

    Raises:
        BrokenFileError: It is no JSON object, or larger than any that is written here.
    """
    bucket, key = naming.split_s3_uri(uri)
    try:
        answer = s3.get_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if aws_reads.is_missing(error):
            return None
        raise
    if answer["ContentLength"] > _LARGEST:
        raise BrokenFileError(f"{uri} has {answer['ContentLength']} bytes")
    try:
        content = json.loads(answer["Body"].read())
    except (ValueError, RecursionError) as error:
        raise BrokenFileError(f"{uri} is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise BrokenFileError(f"{uri} is not a JSON object")
    return content


def _recent(s3: Any, run: Run, until: float) -> Outcome:
    if time.monotonic() > until:
        # Whoever asked has gone; the queue must not keep the next one waiting.
        raise aws_reads.UnavailableError("S3 was too slow")
    return _cache(run).get(_key(run), lambda: _outcome(s3, run))


def _cache(run: Run) -> Recent[Outcome]:
    return _ENDED if run.has_ended else _OPEN


def _key(run: Run) -> tuple[object, ...]:
    # A state and an end that differ are another run of the tasks: somebody cleared the run.
    return run.uri, run.state, run.ended


def _outcome(s3: Any, run: Run) -> Outcome:
    uri = run.uri or ""
    try:
        decision = get_json(s3, naming.decision_uri(uri))
        report = get_json(s3, naming.report_uri(uri)) if decision else None
    except BrokenFileError as error:
        return Outcome(fault=str(error))
    return Outcome(decision, report)


def _row(run: Run, outcome: Outcome | Exception) -> Row:
    if isinstance(outcome, Exception):
        return Row(run, UNKNOWN, Outcome(fault=str(outcome)))
    decision, report = outcome.decision, outcome.report or {}
    if decision is None:
        verdict = {"failed": FAILED, "success": NONE}.get(run.state, RUNNING)
        return Row(run, UNKNOWN if outcome.fault else verdict, outcome)
    registered = decision.get("registered") or {}
    verdict = str(decision.get("verdict"))
    return Row(
        run=run,
        verdict=verdict if verdict in VERDICTS else UNKNOWN,
        outcome=outcome,
        metrics=metrics_of(report),
        limit=first_bound(item.get("condition") for item in decision.get("conditions") or []),
        rows={
            str(name): count
            for name, count in (report.get("rows") or {}).items()
            if isinstance(count, int)
        },
        version=registered.get("version"),
        arn=str(registered.get("model_package_arn") or ""),
    )
