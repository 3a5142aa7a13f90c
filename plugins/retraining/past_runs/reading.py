"""The decisions of past runs, from their records alone."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from retraining import naming
from retraining.aws import s3 as objects
from retraining.aws.errors import is_missing
from retraining.runs.outcomes import outcome_of, stopped_outcome

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from mypy_boto3_s3 import S3Client

    from retraining.runs.outcomes import Outcome

log = logging.getLogger(__name__)

_READERS = 8


@dataclass(frozen=True, slots=True)
class Record:
    """A decision record that lies on S3, not yet read.

    Attributes:
        uri: Where.
        snapshot: The folder of its run's snapshot.
        run: The folder of its run.
        decided: When it was last written.
        etag: S3's mark of its content.
        is_on_data: Whether it is about the run's data, and not about its model.
    """

    uri: str
    snapshot: str
    run: str
    decided: datetime
    etag: str
    is_on_data: bool = False


@dataclass(frozen=True, slots=True)
class PastRun:
    """A run that was judged: its model, or its data, if those stopped it.

    Attributes:
        uri: Of its decision record.
        snapshot: YYYY-MM-DD.
        run_id: Airflow's.
        run_type: ``scheduled``, ``manual`` or ``backfill``, where that is known.
        decided: When the record was last written.
        outcome: What came of it.
        report: The evaluation report that was judged; None if there was none, or it is not kept.
    """

    uri: str
    snapshot: str
    run_id: str
    run_type: str | None
    decided: datetime
    outcome: Outcome
    report: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Problem:
    """A record that does not fit.

    Attributes:
        uri: Which; of a run whose report does not fit, the report.
        reason: Why.
        listed: The decision record; None if it was read and the report was not.
        may_pass: Whether S3 did not give it, so that it may be read another time.
    """

    uri: str
    reason: str
    listed: Record | None = None
    may_pass: bool = False


@dataclass(frozen=True, slots=True)
class History:
    """What is known of the past.

    Attributes:
        runs: By snapshot, the earliest first; those of one snapshot as they were decided.
        problems: The records that could not be read; a broken one hides no other.
    """

    runs: tuple[PastRun, ...]
    problems: tuple[Problem, ...]


def pipelines_in(s3: S3Client, bucket: str) -> list[str]:
    """Return the pipelines whose runs lie in a bucket, by their folders, sorted."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Delimiter="/")
    folders = [
        found["Prefix"].rstrip("/") for page in pages for found in page.get("CommonPrefixes", [])
    ]
    return [
        folder
        for folder in folders
        # Its endpoint is named so, too: anything else is no pipeline's folder.
        if naming.ENDPOINT_NAME.fullmatch(folder) and _has_runs(s3, bucket, folder)
    ]


def read_history(s3: S3Client, bucket: str, *, pipeline: str, newest: int | None = None) -> History:
    """Read the decision records of a pipeline's runs, with the reports that were judged.

    Args:
        s3: The client.
        bucket: Where the runs lie.
        pipeline: The pipeline.
        newest: As of ``list_records``.
    """
    return read_records(s3, list_records(s3, bucket, pipeline=pipeline, newest=newest))


def list_records(
    s3: S3Client, bucket: str, *, pipeline: str, newest: int | None = None
) -> list[Record]:
    """Find the decision records of a pipeline's runs, the newest first.

    Those about data are among them where no later one of the same run is about its model: only who
    reads one knows whether its run was stopped or goes on.

    Args:
        s3: The client.
        bucket: Where the runs lie.
        pipeline: The pipeline.
        newest: So many, those of the latest snapshots and of one snapshot the ones decided last;
            None for all.
    """
    _, root = naming.split_s3_uri(naming.runs_uri(bucket, pipeline))
    after = root
    if newest:
        # The early ones of years of runs need not be listed.
        pages = s3.get_paginator("list_objects_v2").paginate(
            Bucket=bucket, Prefix=root, Delimiter="/"
        )
        snapshots = [
            found["Prefix"].rstrip("/")
            for page in pages
            for found in page.get("CommonPrefixes", [])
        ]
        after = snapshots[-newest] if newest < len(snapshots) else root
    records = _records(s3, bucket, root, after=after)
    if newest and len(records) < newest and after != root:
        # Not every snapshot has a record.
        records = _records(s3, bucket, root, after=root)
    records.sort(key=lambda record: (record.snapshot, record.decided, record.uri), reverse=True)
    return records[:newest]


def read_records(s3: S3Client, records: Sequence[Record], *, with_reports: bool = True) -> History:
    """Read decision records together with the reports that were judged.

    Args:
        s3: The client.
        records: From ``list_records``.
        with_reports: Whether the runs keep their reports, to be judged anew; they may be large.
    """

    def read(record: Record) -> tuple[PastRun | None, Problem | None]:
        run, problem = _read(s3, record)
        return (run if with_reports or run is None else replace(run, report=None)), problem

    with ThreadPoolExecutor(_READERS) as pool:
        found = list(pool.map(read, records))
    runs = [item for item, _ in found if item]
    return History(
        tuple(sorted(runs, key=lambda run: (run.snapshot, run.decided, run.uri))),
        tuple(problem for _, problem in found if problem),
    )


def _has_runs(s3: S3Client, bucket: str, pipeline: str) -> bool:
    _, folder = naming.split_s3_uri(naming.runs_uri(bucket, pipeline))
    return bool(s3.list_objects_v2(Bucket=bucket, Prefix=folder, MaxKeys=1).get("KeyCount"))


def _records(s3: S3Client, bucket: str, root: str, *, after: str) -> list[Record]:
    # One list of all that runs wrote takes fewer requests than one for each snapshot.
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, Prefix=root, StartAfter=after
    )
    ending, ending_on_data = naming.decision_uri(""), naming.data_decision_uri("")
    found: dict[tuple[str, str, bool], Record] = {}
    for item in (item for page in pages for item in page.get("Contents", [])):
        snapshot, _, rest = item["Key"].removeprefix(root).partition("/")
        run, _, name = rest.partition("/")
        # A run's other outputs may hold whatever they like.
        if name in {ending, ending_on_data}:
            is_on_data = name == ending_on_data
            found[snapshot, run, is_on_data] = Record(
                uri=f"s3://{bucket}/{item['Key']}",
                snapshot=snapshot,
                run=run,
                decided=item["LastModified"],
                etag=item["ETag"].strip('"'),
                is_on_data=is_on_data,
            )
    return [
        record
        for (snapshot, run, is_on_data), record in found.items()
        if not is_on_data
        or (on_model := found.get((snapshot, run, False))) is None
        or on_model.decided < record.decided
    ]


def _read(s3: S3Client, listed: Record) -> tuple[PastRun | None, Problem | None]:
    try:
        snapshot = naming.checked_snapshot(listed.snapshot)
        record = objects.get_json(s3, listed.uri)
        if listed.is_on_data:
            report, problem, outcome = None, None, stopped_outcome(record)
            if outcome is None:
                return None, None
        else:
            report, problem = _judged_report(s3, listed, record)
            outcome = outcome_of(record, report)
    except (BotoCoreError, ClientError) as error:
        return None, Problem(listed.uri, str(error), listed, may_pass=True)
    except (ValueError, RecursionError) as error:
        return None, Problem(listed.uri, f"it is no decision record: {error}", listed)
    except Exception as error:
        # Whatever it is, it is this record's: all others are told.
        log.exception("%s cannot be read", listed.uri)
        return None, Problem(listed.uri, f"{type(error).__name__}: {error}", listed)
    if problem:
        outcome = replace(outcome, faults=(*outcome.faults, problem.reason))
    run_id = outcome.run.get("run_id") or listed.run
    past = PastRun(
        uri=listed.uri,
        snapshot=snapshot,
        run_id=run_id,
        run_type=_run_type(outcome.run, run_id),
        decided=listed.decided,
        outcome=outcome,
        report=report,
    )
    return past, problem


def _judged_report(
    s3: S3Client, listed: Record, record: object
) -> tuple[bytes | None, Problem | None]:
    judged = record.get("report") if isinstance(record, Mapping) else None
    if judged is None:
        return None, None
    etag = judged.get("etag") if isinstance(judged, Mapping) else None
    uri = naming.report_uri(listed.uri.removesuffix(naming.decision_uri("")))
    try:
        found = objects.get(s3, uri)
    except (BotoCoreError, ClientError) as error:
        is_gone = isinstance(error, ClientError) and is_missing(error)
        said = f"the report that was judged cannot be read: {error}"
        return None, Problem(uri, said, may_pass=not is_gone)
    if found.etag != etag:
        return None, Problem(
            uri, f"it is not the report that was judged: its ETag is {found.etag}, and was {etag}"
        )
    return found.content, None


def _run_type(run: Mapping[str, str], run_id: str) -> str | None:
    if run.get("run_type"):
        return run["run_type"]
    # Not every record says it; the ids that Airflow makes do.
    said = run_id.partition("__")[0]
    return said if said in {"scheduled", "manual", "backfill", "asset_triggered"} else None
