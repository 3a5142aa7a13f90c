"""The evaluation report and the decision record of a run, on S3."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from retraining import naming
from retraining.aws import s3 as objects
from retraining.gate.comparison import comparison_in
from retraining.gate.decision import Verdict
from retraining.gate.report import UndecidableError, parse
from retraining.retries import passing_failure
from retraining.runs.kinds import stopped_by_data
from retraining.runs.record_shape import SCHEMA, checked, fitting

if TYPE_CHECKING:
    from datetime import datetime

    from mypy_boto3_s3 import S3Client

    from retraining.aws.s3 import Found
    from retraining.gate.decision import Decision


# Attempts at once are few, and each writes once.
_TIMES = 10


class ReportMissingError(Exception):
    """There is no report where a run should have written it."""


class RecordContestedError(Exception):
    """A decision record is another one each time it is about to be written."""


@dataclass(frozen=True, slots=True)
class Report:
    """A report, on a model or on data, as it lies on S3.

    Attributes:
        uri: Where.
        etag: S3's mark of its content, without quotes.
        content: Its bytes.
        modified: When it was written, to the second.
    """

    uri: str
    etag: str
    content: bytes
    modified: datetime


@dataclass(frozen=True, slots=True)
class Decided:
    """What a decision record says to those who act on it; "" where it does not say.

    Attributes:
        uri: Where it lies.
        verdict: The gate's.
        explanation: The gate's.
        report_etag: The ETag of the report that was judged.
        policy_sha256: The hash of the policy, with the run's parameters in it.
        against_gate: Who wanted a rejected model registered, and why (``by``, ``reason``); empty
            if nobody did.
        registered_by: The ETag of the report by which the run's version was registered.
        data: Of a decision about data, what was compared; see ``write_decision``.
        stops: Whether it is about data, and keeps the run from training on them.
    """

    uri: str
    verdict: str
    explanation: str
    report_etag: str
    policy_sha256: str
    against_gate: Mapping[str, str] = field(default_factory=dict)
    registered_by: str = ""
    data: Mapping[str, Any] = field(default_factory=dict, repr=False)
    stops: bool = False

    @property
    def lets_register(self) -> bool:
        """Whether the model passed, or was rejected and a person answers for it."""
        is_answered_for = self.verdict == Verdict.REJECT and bool(self.against_gate)
        return self.verdict == Verdict.PASS or is_answered_for

    @property
    def objection(self) -> str | None:
        """Why the version that was registered on it is not deployed unasked by now; or None."""
        if not self.lets_register:
            return f"the decision about it is {self.verdict} by now, {self.explanation}"
        if self.registered_by not in {"", self.report_etag}:
            return (
                f"its run has written another report since, with the ETag {self.report_etag}; it"
                f" was registered by that with {self.registered_by}"
            )
        return None


def read_report(s3: S3Client, run_uri: str) -> Report:
    """Read a run's evaluation report.

    Raises:
        ReportMissingError: There is none.
    """
    return _report(s3, naming.report_uri(run_uri), "evaluation report")


def read_data_report(s3: S3Client, run_uri: str) -> Report:
    """Read the report on a run's data.

    Raises:
        ReportMissingError: There is none.
    """
    return _report(s3, naming.data_report_uri(run_uri), "data report")


def write_decision(
    s3: S3Client,
    run_uri: str,
    *,
    decision: Decision,
    report: Report | None,
    pipeline: Mapping[str, object],
    parameters: Mapping[str, object],
    run: Mapping[str, object],
    against_gate: Mapping[str, str] | None = None,
    data: Mapping[str, object] | None = None,
) -> str:
    """Write down why a model is registered or not, or data are used; return the record's URI.

    What an earlier record of the run says stays, under ``naming.earlier_decision_uri``, and the new
    one goes on naming the version that the run has registered. To write the same again changes
    nothing.

    Args:
        s3: The client.
        run_uri: The run's folder.
        decision: The gate's.
        report: The report that was judged, None if it could not be read.
        pipeline: What those who only read the record must know of the declaration.
        parameters: The run's parameters that bear on the model or on the verdict.
        run: What identifies the run: its id, snapshot, code and data.
        against_gate: See ``Decided``.
        data: Of a decision about data, which has a record of its own: the ``comparison`` that was
            judged, why something was ``missing`` in it, and with which versions' data.

    Raises:
        ShapeError: What was given makes no record that others can read; nothing was written.
        RecordContestedError: Others change the record all the time.
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
        "against_gate": against_gate or None,
        **({"champion": report and _champion(report)} if data is None else {"data": data}),
    }
    uri = naming.decision_uri(run_uri) if data is None else naming.data_decision_uri(run_uri)
    for _ in range(_TIMES):
        found = objects.find(s3, uri)
        content = objects.json_bytes(checked({**record, **_registration(found)}))
        if found is None:
            is_written = objects.put_once(s3, uri, content)
        else:
            is_written = found.content == content or _replace(
                s3, run_uri, found, content=content, uri=uri
            )
        # If not, another attempt was first, or a registration.
        if is_written:
            return uri
    raise RecordContestedError(f"{uri} was changed by others {_TIMES} times; try again")


def read_decision(s3: S3Client, run_uri: str) -> dict[str, Any]:
    """Read a run's decision record.

    Raises:
        BrokenObjectError: It is not JSON.
    """
    record: dict[str, Any] = objects.get_json(s3, naming.decision_uri(run_uri))
    return record


def find_decided(s3: S3Client, run_uri: str) -> Decided | None:
    """Read what a run's decision record says to those who act on it; None if there is none.

    Raises:
        BrokenObjectError: It is no JSON object.
    """
    return _decided(s3, naming.decision_uri(run_uri))


def find_data_decided(s3: S3Client, run_uri: str) -> Decided | None:
    """Read what the record of the decision about a run's data says; None if there is none.

    Raises:
        BrokenObjectError: It is no JSON object.
    """
    return _decided(s3, naming.data_decision_uri(run_uri))


def _decided(s3: S3Client, uri: str) -> Decided | None:
    found = objects.find(s3, uri)
    if found is None:
        return None
    record = _record(found)
    if record is None:
        raise objects.BrokenObjectError(f"{uri} is no JSON object")
    return Decided(
        uri=uri,
        verdict=str(record.get("verdict")),
        explanation=str(record.get("explanation") or ""),
        report_etag=str(_mapping(record.get("report")).get("etag") or ""),
        policy_sha256=str(record.get("policy_sha256") or ""),
        against_gate=against_gate_of(record),
        registered_by=str(record.get("registered_by") or ""),
        data=_mapping(record.get("data")),
        stops="data" in record
        and stopped_by_data(record.get("verdict"), _mapping(record.get("parameters"))),
    )


def against_gate_of(record: Mapping[str, Any]) -> dict[str, str]:
    """Return who wanted a rejected model registered, and why (``by``, ``reason``); or nothing."""
    told = _mapping(record.get("against_gate"))
    return {name: str(told.get(name) or "unknown") for name in ("by", "reason")} if told else {}


def objection(s3: S3Client, run_uri: str) -> str | None:
    """Say why a version is not deployed unasked: the decision about it does not let it pass now.

    Or its run was cleared and has evaluated another model since: what the run says now, its test
    rows too, is not about the version. Or it was cleared, and its data have stopped it since.

    A version whose run left no decision record, as one that was registered by hand, has none.

    Args:
        s3: The client.
        run_uri: The folder of the version's run; "" if the version does not say.
    """
    if not run_uri:
        return None
    try:
        decided = find_decided(s3, run_uri)
        if decided and decided.objection:
            return decided.objection
        on_data = find_data_decided(s3, run_uri)
    except objects.BrokenObjectError as error:
        return f"the decision about it cannot be read: {error}"
    except ClientError as error:
        if passing_failure(error):
            raise
        return f"the decision about it cannot be read: {error}"
    if on_data and on_data.stops:
        return f"the decision about its data is {on_data.verdict} by now, {on_data.explanation}"
    return None


def add_registration(
    s3: S3Client, run_uri: str, *, arn: str, version: int, report_etag: str
) -> None:
    """Add to a run's decision record what was registered.

    Args:
        s3: The client.
        run_uri: The run's folder.
        arn: Of the version.
        version: Its number.
        report_etag: Of the report by which it was registered. A record that names the version
            already goes on naming the first.
    """
    uri = naming.decision_uri(run_uri)
    registered = {"model_package_arn": arn, "version": version}
    for _ in range(_TIMES):
        found = objects.get(s3, uri)
        record = _record(found)
        if record is None:
            raise objects.BrokenObjectError(f"{uri} is no JSON object")
        if record.get("registered") == registered:
            return
        told = {**record, "registered": registered, "registered_by": report_etag}
        if objects.put_over(s3, uri, objects.json_bytes(told), etag=found.etag):
            return
    raise RecordContestedError(f"{uri} was changed by others {_TIMES} times; try again")


def _report(s3: S3Client, uri: str, what: str) -> Report:
    found = objects.find(s3, uri)
    if found is None:
        raise ReportMissingError(f"there is no {what} at {uri}")
    return Report(uri, found.etag, found.content, found.modified)


def _champion(report: Report) -> dict[str, object] | None:
    try:
        comparison = comparison_in(parse(report.content))
    except UndecidableError:
        return None
    return comparison.to_record() if comparison else None


def _replace(s3: S3Client, run_uri: str, found: Found, *, content: bytes, uri: str) -> bool:
    kept = naming.earlier_decision_uri(run_uri, written=found.modified, content=found.content)
    objects.put_once(s3, kept, found.content)
    return objects.put_over(s3, uri, content, etag=found.etag)


def _record(found: Found) -> Mapping[str, Any] | None:
    try:
        record = json.loads(found.content)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, Mapping) else None


def _registration(found: Found | None) -> dict[str, Any]:
    """Return what a record says of the version that its run has registered."""
    record = _record(found) if found else None
    kept = fitting(record)[0] if record else {}
    return {"registered": None} | {
        name: kept[name] for name in ("registered", "registered_by") if name in kept
    }


def _mapping(told: object) -> Mapping[str, Any]:
    return told if isinstance(told, Mapping) else {}
