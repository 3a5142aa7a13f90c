"""The evaluation report and the decision record of a run, on S3."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from retraining import naming
from retraining.aws import s3 as objects
from retraining.runs.record_shape import SCHEMA, checked

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_s3 import S3Client

    from retraining.gate.decision import Decision


class ReportMissingError(Exception):
    """There is no evaluation report where a run should have written it."""


@dataclass(frozen=True, slots=True)
class Report:
    """An evaluation report as it lies on S3.

    Attributes:
        uri: Where.
        etag: S3's mark of its content, without quotes.
        content: The bytes of ``evaluation.json``.
    """

    uri: str
    etag: str
    content: bytes


def read_report(s3: S3Client, run_uri: str) -> Report:
    """Read a run's evaluation report.

    Raises:
        ReportMissingError: There is none.
    """
    uri = naming.report_uri(run_uri)
    found = objects.find(s3, uri)
    if found is None:
        raise ReportMissingError(f"there is no evaluation report at {uri}")
    return Report(uri, found.etag, found.content)


def write_decision(
    s3: S3Client,
    run_uri: str,
    *,
    decision: Decision,
    report: Report | None,
    pipeline: Mapping[str, object],
    parameters: Mapping[str, object],
    run: Mapping[str, object],
) -> str:
    """Write down why a model is registered or not; return the record's URI.

    Args:
        s3: The client.
        run_uri: The run's folder.
        decision: The gate's.
        report: The report that was judged, None if it could not be read.
        pipeline: What those who only read the record must know of the declaration.
        parameters: The run's parameters that bear on the model or on the verdict.
        run: What identifies the run: its id, snapshot, code and data.

    Raises:
        ShapeError: What was given makes no record that others can read; nothing was written.
    """
    record: dict[str, object] = {
        "schema": SCHEMA,
        "verdict": decision.verdict.value,
        "explanation": decision.explanation,
        "conditions": [asdict(judgement) for judgement in decision.judgements],
        "policy_sha256": decision.policy_sha256,
        "report": report and {"uri": report.uri, "etag": report.etag},
        "pipeline": pipeline,
        "parameters": parameters,
        "run": run,
        "registered": None,
    }
    uri = naming.decision_uri(run_uri)
    objects.put_json(s3, uri, checked(record))
    return uri


def read_decision(s3: S3Client, run_uri: str) -> dict[str, Any]:
    """Read a run's decision record.

    Raises:
        BrokenObjectError: It is not JSON.
    """
    record: dict[str, Any] = objects.get_json(s3, naming.decision_uri(run_uri))
    return record


def add_registration(s3: S3Client, run_uri: str, *, arn: str, version: int) -> None:
    """Add to a run's decision record what was registered."""
    record = read_decision(s3, run_uri)
    record["registered"] = {"model_package_arn": arn, "version": version}
    objects.put_json(s3, naming.decision_uri(run_uri), record)
