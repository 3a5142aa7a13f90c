"""What a person is asked before a version may be deployed, and what is made of the answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from retraining import naming
from retraining.deployment import endpoints
from retraining.registry import versions
from retraining.runs import records

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker import SageMakerClient

    from retraining.registry.versions import Version

APPROVE = "Approve"
REJECT = "Reject"
_STATUS = {APPROVE: versions.APPROVED, REJECT: versions.REJECTED}


class DecidedOtherwiseError(Exception):
    """Somebody has decided about the version before the answer came, and differently."""


def question(
    sagemaker: SageMakerClient, s3: S3Client, version: Version, *, endpoint_name: str
) -> str:
    """Return all that a person needs to decide about a version, as Markdown.

    Args:
        sagemaker: A client.
        s3: A client.
        version: The version.
        endpoint_name: Where it would be deployed: what serves there is set beside it.

    Raises:
        ReportMissingError: Its evaluation report is gone.
    """
    run_uri = naming.run_of_report(version.report_uri)
    serving = _serving(sagemaker, endpoint_name)
    decision = records.read_decision(s3, run_uri)
    columns = [_column(s3, version)]
    heads = ["", f"version {version.number}, new"]
    if serving:
        try:
            columns.append(_column(s3, serving))
        except (records.ReportMissingError, naming.InvalidNameError):
            columns.append({"snapshot": serving.snapshot})
        heads.append(f"version {serving.number}, serves now")
    lines = [
        _row(heads),
        _row(["---"] * len(heads)),
        *(
            _row([name, *(column.get(name, "unknown") for column in columns)])
            for name in columns[0]
        ),
        "",
        f"The gate: **{decision['verdict']}**, {decision['explanation']}.",
        "",
        f"* report: `{version.report_uri}`",
        f"* predictions: `{naming.predictions_uri(run_uri)}`",
        f"* decision: `{naming.decision_uri(run_uri)}`",
        f"* version: `{version.arn}`",
    ]
    if not serving:
        lines.append(f"* `{endpoint_name}` serves no registered version yet")
    return "\n".join(lines)


def answer(
    sagemaker: SageMakerClient, arn: str, choice: str, *, who: str, why: str, where: str
) -> Version:
    """Write a person's answer into the registry, once however often this is called.

    Args:
        sagemaker: A client.
        arn: Of the version.
        choice: ``APPROVE`` or ``REJECT``.
        who: The person.
        why: Their comment, or "".
        where: The run in which they answered.

    Returns:
        The version as it is now.

    Raises:
        DecidedOtherwiseError: It is not pending any more, and was decided otherwise.
    """
    status = _STATUS[choice]
    version = versions.describe(sagemaker, arn)
    if version.approval == versions.PENDING:
        decide = versions.approve if choice == APPROVE else versions.reject
        decide(
            sagemaker, arn, reason=f"{status} by {who} in Airflow, {where}: {why or 'no comment'}"
        )
        return versions.describe(sagemaker, arn)
    if version.approval != status:
        raise DecidedOtherwiseError(
            f"version {version.number} was {version.approval} before {who} chose {choice}"
            f" ({version.approval_reason or 'without a reason'}). It stays so; to change that,"
            f" update ModelApprovalStatus of {arn}"
        )
    return version


def metrics(report: object, name: str = "") -> dict[str, float]:
    """Return the leaves of a report that have a ``value``, by the last part of their names."""
    if not isinstance(report, Mapping):
        return {}
    value = report.get("value")
    if isinstance(value, int | float):
        return {name: float(value)}
    found: dict[str, float] = {}
    for key, inner in report.items():
        found |= metrics(inner, str(key))
    return found


def _column(s3: S3Client, version: Version) -> dict[str, str]:
    run_uri = naming.run_of_report(version.report_uri)
    report = json.loads(records.read_report(s3, run_uri).content)
    shown = {name: f"{value:.6g}" for name, value in metrics(report).items()}
    return {"snapshot": version.snapshot, **shown}


def _serving(sagemaker: SageMakerClient, endpoint_name: str) -> Version | None:
    endpoint: Any = endpoints.find(sagemaker, endpoint_name)
    if endpoint is None or endpoint.verified is None:
        return None
    return endpoints.version_of_config(sagemaker, endpoint.verified)


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
