"""The decisions of past runs, from their records alone."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from retraining import naming
from retraining.gate.bounds import bounds
from retraining.gate.decision import Verdict
from retraining.gate.report import finite

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from mypy_boto3_s3 import S3Client

    from retraining.gate.bounds import Bound

# Where evaluation reports keep their metrics, as SageMaker's model quality reports do.
METRICS = "regression_metrics"
R2 = f"{METRICS}.r2_score"

_READERS = 8
# Of a normal distribution, so much of the standard deviation to each side holds 95 %.
_HALF_95 = 1.96


@dataclass(frozen=True, slots=True)
class Measure:
    """A metric's value.

    Attributes:
        value: A finite number.
        standard_deviation: Of the value over bootstrap samples; None if the report has none.
    """

    value: float
    standard_deviation: float | None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval, normal approximation; None without a standard deviation."""
        if self.standard_deviation is None:
            return None
        half = _HALF_95 * self.standard_deviation
        return self.value - half, self.value + half


@dataclass(frozen=True, slots=True)
class PastRun:
    """A run that was judged.

    Attributes:
        uri: Of its decision record.
        snapshot: YYYY-MM-DD.
        run_id: Airflow's.
        run_type: ``scheduled``, ``manual`` or ``backfill``, where that is known.
        decided: When the record was last written.
        verdict: What the gate said.
        explanation: Why.
        bounds: Those of the policy's conditions that compare one metric with a number.
        metrics: By name: ``r2_score``, ``rmse``, ``mae``.
        rows: By what they are: ``snapshot``, ``train``, ``validation``, ``test``.
        version: The version in the registry; None if nothing was registered.
        arn: The version's ARN.
        report: The evaluation report that was judged; None if there was none.
    """

    uri: str
    snapshot: str
    run_id: str
    run_type: str | None
    decided: datetime
    verdict: Verdict
    explanation: str
    bounds: tuple[Bound, ...]
    metrics: Mapping[str, Measure]
    rows: Mapping[str, int]
    version: int | None
    arn: str | None
    report: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Problem:
    """A record that does not fit.

    Attributes:
        uri: Which.
        reason: Why.
    """

    uri: str
    reason: str


@dataclass(frozen=True, slots=True)
class History:
    """What is known of the past.

    Attributes:
        runs: By snapshot, the earliest first; those of one snapshot as they were decided.
        problems: The records that could not be read; a broken one hides no other.
    """

    runs: tuple[PastRun, ...]
    problems: tuple[Problem, ...]


def read_history(s3: S3Client, bucket: str, *, pipeline: str, newest: int | None = None) -> History:
    """Read the decision records of a pipeline's runs.

    Args:
        s3: The client.
        bucket: Where the runs lie.
        pipeline: The pipeline.
        newest: So many runs, those of the latest snapshots and of one snapshot the ones decided
            last; None for all.
    """
    records = _newest_records(s3, bucket, pipeline, newest=newest)
    with ThreadPoolExecutor(_READERS) as pool:
        found = list(pool.map(lambda record: _read(s3, record), records))
    runs = [item for item, _ in found if item]
    return History(
        tuple(sorted(runs, key=lambda run: (run.snapshot, run.decided, run.uri))),
        tuple(problem for _, problem in found if problem),
    )


@dataclass(frozen=True, slots=True)
class _Record:
    bucket: str
    key: str
    snapshot: str
    decided: datetime


def _newest_records(
    s3: S3Client, bucket: str, pipeline: str, *, newest: int | None
) -> list[_Record]:
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
    records.sort(key=lambda record: (record.snapshot, record.decided, record.key), reverse=True)
    return records[:newest]


def _records(s3: S3Client, bucket: str, root: str, *, after: str) -> list[_Record]:
    # One list of all that runs wrote takes fewer requests than one for each snapshot.
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, Prefix=root, StartAfter=after
    )
    ending = naming.decision_uri("")
    found = []
    for item in (item for page in pages for item in page.get("Contents", [])):
        snapshot, _, rest = item["Key"].removeprefix(root).partition("/")
        # <run>/evaluation/decision.json: a run's other outputs may hold whatever they like.
        if rest.partition("/")[2] == ending:
            found.append(_Record(bucket, item["Key"], snapshot, item["LastModified"]))
    return found


def _read(s3: S3Client, listed: _Record) -> tuple[PastRun | None, Problem | None]:
    uri = f"s3://{listed.bucket}/{listed.key}"
    run_uri = uri.removesuffix(naming.decision_uri(""))
    try:
        snapshot = naming.checked_snapshot(listed.snapshot)
        record = json.loads(_body(s3, listed.bucket, listed.key)[0])
        report, problem = None, None
        if record["report"] is not None:
            report, problem = _judged_report(s3, run_uri, record["report"]["etag"])
        metrics, rows = _figures(report)
        run, registered = record["run"], record["registered"]
        run_id = str(run["run_id"])
        past = PastRun(
            uri=uri,
            snapshot=snapshot,
            run_id=run_id,
            run_type=_run_type(run, run_id),
            decided=listed.decided,
            verdict=Verdict(record["verdict"]),
            explanation=str(record["explanation"]),
            bounds=bounds(item["condition"] for item in record["conditions"]),
            metrics=metrics,
            rows=rows,
            version=int(registered["version"]) if registered else None,
            arn=str(registered["model_package_arn"]) if registered else None,
            report=report,
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        return None, Problem(uri, f"it is no decision record: {type(error).__name__}: {error}")
    except ClientError as error:
        return None, Problem(uri, str(error))
    return past, problem


def _judged_report(s3: S3Client, run_uri: str, etag: str) -> tuple[bytes | None, Problem | None]:
    uri = naming.report_uri(run_uri)
    try:
        content, found = _body(s3, *naming.split_s3_uri(uri))
    except ClientError as error:
        return None, Problem(uri, f"the report that was judged cannot be read: {error}")
    if found != etag:
        return None, Problem(
            uri, f"it is not the report that was judged: its ETag is {found}, and was {etag}"
        )
    return content, None


def _body(s3: S3Client, bucket: str, key: str) -> tuple[bytes, str]:
    answer = s3.get_object(Bucket=bucket, Key=key)
    return answer["Body"].read(), answer["ETag"].strip('"')


def _figures(report: bytes | None) -> tuple[dict[str, Measure], dict[str, int]]:
    # The gate judged what it needs of a report; the rest may be anything.
    try:
        content = None if report is None else json.loads(report)
    except (ValueError, RecursionError):
        content = None
    metrics, rows = (_mapping(_mapping(content).get(name)) for name in (METRICS, "rows"))
    measures = {}
    for name, leaf in metrics.items():
        value = finite(leaf.get("value") if isinstance(leaf, dict) else leaf)
        spread = finite(leaf.get("standard_deviation")) if isinstance(leaf, dict) else None
        if value is not None:
            measures[name] = Measure(value, spread)
    counts = {name: finite(count) for name, count in rows.items()}
    return measures, {name: int(count) for name, count in counts.items() if count is not None}


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _run_type(run: Mapping[str, Any], run_id: str) -> str | None:
    if run.get("run_type"):
        return str(run["run_type"])
    # Not every record says it; the ids that Airflow makes do.
    said = run_id.partition("__")[0]
    return said if said in {"scheduled", "manual", "backfill", "asset_triggered"} else None
