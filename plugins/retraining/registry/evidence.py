"""What must hold before a model becomes a version: no mark set by hand stands in for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from retraining import naming
from retraining.aws import s3 as objects
from retraining.gate import data as data_gate
from retraining.gate import decision as gate
from retraining.gate.decision import Verdict
from retraining.runs import kinds, records

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mypy_boto3_s3 import S3Client

    from retraining.gate.conditions import Condition
    from retraining.runs.records import Report


class NoEvidenceError(Exception):
    """A model may not be registered; the message says what does not hold and what to do."""


def find(
    s3: S3Client,
    run_uri: str,
    *,
    model_uri: str,
    policy: Sequence[Condition],
    params: Mapping[str, Any],
) -> tuple[Report, Mapping[str, str]]:
    """Return the report by which a model may be registered.

    The model lies there; a report that is not older; a decision about this very report by this very
    policy with this run's parameters, which lets the model pass or of which a person has said why
    it is registered all the same; and the gate, asked again, says the same.

    Args:
        s3: The client.
        run_uri: The run's folder.
        model_uri: Its ``model.tar.gz``.
        policy: The pipeline's conditions.
        params: The run's parameters.

    Returns:
        The report, and who wants the model registered against the gate, and
        why: ``by`` and ``reason``, or nothing.

    Raises:
        NoEvidenceError: One of these does not hold.
    """
    trained = objects.find_modified(s3, model_uri)
    if trained is None:
        raise NoEvidenceError(f"there is no model at {model_uri}: clear train")
    try:
        report = records.read_report(s3, run_uri)
        decided = records.find_decided(s3, run_uri)
    except records.ReportMissingError as error:
        raise NoEvidenceError(f"{error}: clear evaluate") from error
    except objects.BrokenObjectError as error:
        raise NoEvidenceError(f"{error}: clear check_quality") from error
    if report.modified < trained:
        raise NoEvidenceError(
            f"{report.uri} was written at {report.modified}, before the model {model_uri} at"
            f" {trained}, and so is about another one: clear evaluate"
        )
    if decided is None:
        raise NoEvidenceError(
            f"there is no decision record at {naming.decision_uri(run_uri)}: the gate has not"
            " judged this model. Clear check_quality"
        )
    if decided.report_etag != report.etag:
        raise NoEvidenceError(
            f"{decided.uri} is about a report with the ETag {decided.report_etag or 'none'}, and"
            f" {report.uri} has {report.etag} now: clear check_quality"
        )
    judged = gate.decide(report.content, policy, parameters=params)
    if decided.policy_sha256 != judged.policy_sha256:
        raise NoEvidenceError(
            f"{decided.uri} was made by the policy {decided.policy_sha256[:12] or 'none'}, and this"
            f" task's, with the run's parameters, is {judged.policy_sha256[:12]}: clear"
            " check_quality"
        )
    if decided.verdict != judged.verdict:
        raise NoEvidenceError(
            f"{decided.uri} says {decided.verdict}, and the gate says {judged.verdict} of the same"
            f" report, {judged.explanation}: clear check_quality"
        )
    if not decided.lets_register:
        raise NoEvidenceError(
            f"{decided.uri} says {decided.verdict}: {decided.explanation}. Who wants a rejected"
            " model registered all the same triggers a run with the parameter"
            " register_against_gate, which says why"
        )
    return report, decided.against_gate


@dataclass(frozen=True, slots=True)
class DataEvidence:
    """What was decided about the data that a model was trained on.

    Attributes:
        report_uri: The report on them.
        decision_uri: The record of the decision.
        differs: Why the gate rejects them, though the run went on; "" if it does not.
    """

    report_uri: str
    decision_uri: str
    differs: str


def find_data(
    s3: S3Client,
    run_uri: str,
    *,
    policy: Sequence[Condition],
    params: Mapping[str, Any],
) -> DataEvidence:
    """Return what was decided about the data that a model was trained on.

    There is a decision about this run's report on its data, by this very policy with this run's
    parameters, and the gate says the same of what was compared.

    Args:
        s3: The client.
        run_uri: The run's folder.
        policy: The pipeline's conditions on data.
        params: The run's parameters.

    Raises:
        NoEvidenceError: One of these does not hold, or the run should have been stopped.
    """
    uri = naming.data_decision_uri(run_uri)
    try:
        report = records.read_data_report(s3, run_uri)
        decided = records.find_data_decided(s3, run_uri)
    except records.ReportMissingError as error:
        raise NoEvidenceError(f"{error}: clear preprocess") from error
    except objects.BrokenObjectError as error:
        raise NoEvidenceError(f"{error}: clear check_data") from error
    if decided is None:
        raise NoEvidenceError(
            f"there is no decision record at {uri}: the gate has not judged the data of this run."
            " Clear check_data"
        )
    if decided.report_etag != report.etag:
        raise NoEvidenceError(
            f"{uri} is about a report with the ETag {decided.report_etag or 'none'}, and"
            f" {report.uri} has {report.etag} now: clear check_data"
        )
    comparison, missing = (decided.data.get(name) for name in ("comparison", "missing"))
    judged = data_gate.decide_on(
        comparison if isinstance(comparison, dict) else {},
        policy,
        missing=missing if isinstance(missing, dict) else {},
        parameters=params,
    )
    if decided.policy_sha256 != judged.policy_sha256:
        raise NoEvidenceError(
            f"{uri} was made by the policy {decided.policy_sha256[:12] or 'none'}, and this"
            f" task's, with the run's parameters, is {judged.policy_sha256[:12]}: clear check_data"
        )
    if decided.verdict != judged.verdict:
        raise NoEvidenceError(
            f"{uri} says {decided.verdict}, and the gate says {judged.verdict} of the same"
            f" comparison, {judged.explanation}: clear check_data"
        )
    if kinds.stopped_by_data(judged.verdict, params):
        raise NoEvidenceError(
            f"{uri} says {decided.verdict}: {decided.explanation}. Who wants a model of such data"
            " triggers a run with the parameter when_data_differs"
        )
    is_rejected = judged.verdict is Verdict.REJECT
    return DataEvidence(report.uri, uri, judged.explanation if is_rejected else "")
