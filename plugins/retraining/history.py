"""The decisions of past runs, from their records alone."""

from __future__ import annotations

import json
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from retraining import naming
from retraining.gate import Verdict
from retraining.step_records import runs_uri

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from mypy_boto3_s3 import S3Client

# Where evaluation reports keep their metrics, as SageMaker's model quality reports do.
METRICS = "regression_metrics"
R2 = f"{METRICS}.r2_score"

_READERS = 8
_SIGNS = {
    "GreaterThan": ">",
    "GreaterThanOrEqualTo": "≥",
    "LessThan": "<",
    "LessThanOrEqualTo": "≤",
}
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
class Bound:
    """What a condition asks of one metric.

    Attributes:
        metric: Its path in the report.
        sign: ``≥``, ``>``, ``≤`` or ``<``.
        value: The number on the other side.
    """

    metric: str
    sign: str
    value: float


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
    records = islice(_records(s3, bucket, pipeline), newest)
    with ThreadPoolExecutor(_READERS) as pool:
        found = list(pool.map(lambda record: _read(s3, *record), records))
    runs = [item for item, _ in found if item]
    return History(
        tuple(sorted(runs, key=lambda run: (run.snapshot, run.decided, run.uri))),
        tuple(problem for _, problem in found if problem),
    )


def bounds(wire: Iterable[Mapping[str, Any]]) -> tuple[Bound, ...]:
    """Return what conditions, in SageMaker's wire form, ask of single metrics."""
    found = []
    for condition in wire:
        sign = _SIGNS.get(condition.get("Type", ""))
        left, value = condition.get("LeftValue"), _number(condition.get("RightValue"))
        if sign and isinstance(left, dict) and value is not None:
            found.append(Bound(str(left["Std:JsonGet"]["Path"]), sign, value))
    return tuple(found)


_Record = tuple[str, str, str, "datetime"]


def _records(s3: S3Client, bucket: str, pipeline: str) -> Iterator[_Record]:
    """Yield bucket, key, snapshot and time of each decision record, the newest first."""
    _, root = naming.split_s3_uri(runs_uri(bucket, pipeline))
    paginator = s3.get_paginator("list_objects_v2")
    folders = [
        folder["Prefix"].removeprefix(root).rstrip("/")
        for page in paginator.paginate(Bucket=bucket, Prefix=root, Delimiter="/")
        for folder in page.get("CommonPrefixes", [])
    ]
    ending = naming.decision_uri("")
    for snapshot in sorted(folders, reverse=True):
        prefix = f"{root}{snapshot}/"
        listed = [
            (item["LastModified"], item["Key"])
            for page in paginator.paginate(Bucket=bucket, Prefix=prefix)
            for item in page.get("Contents", [])
            # <run>/evaluation/decision.json: a run's other outputs may hold whatever they like.
            if item["Key"].removeprefix(prefix).partition("/")[2] == ending
        ]
        for modified, key in sorted(listed, reverse=True):
            yield bucket, key, snapshot, modified


def _read(
    s3: S3Client, bucket: str, key: str, snapshot: str, decided: datetime
) -> tuple[PastRun | None, Problem | None]:
    uri = f"s3://{bucket}/{key}"
    run_uri = uri.removesuffix(naming.decision_uri(""))
    try:
        naming.checked_snapshot(snapshot)
        record = json.loads(_body(s3, bucket, key)[0])
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
            decided=decided,
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
        value = _number(leaf.get("value") if isinstance(leaf, dict) else leaf)
        spread = _number(leaf.get("standard_deviation")) if isinstance(leaf, dict) else None
        if value is not None:
            measures[name] = Measure(value, spread)
    counts = {name: _number(count) for name, count in rows.items()}
    return measures, {name: int(count) for name, count in counts.items() if count is not None}


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


def _run_type(run: Mapping[str, Any], run_id: str) -> str | None:
    if run.get("run_type"):
        return str(run["run_type"])
    # Not every record says it; the ids that Airflow makes do.
    said = run_id.partition("__")[0]
    return said if said in {"scheduled", "manual", "backfill", "asset_triggered"} else None
