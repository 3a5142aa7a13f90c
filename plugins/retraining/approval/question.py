"""What a person is asked before a version may be deployed, and what is made of the answer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from retraining import naming
from retraining.aws import s3 as objects
from retraining.deployment import endpoints
from retraining.gate.report import Metrics, UndecidableError, metrics_in, names, parse
from retraining.registry import versions
from retraining.runs import records
from retraining.runs.outcomes import BrokenRecordError, outcome_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker import SageMakerClient

    from retraining.gate.headline import Headline
    from retraining.registry.versions import Version
    from retraining.runs.outcomes import Outcome

APPROVE = "Approve"
REJECT = "Reject"
_STATUS = {APPROVE: versions.APPROVED, REJECT: versions.REJECTED}
_UNKNOWN = "unknown"
# So many metrics are shown; the report has the others.
_MOST = 20


class DecidedOtherwiseError(Exception):
    """Somebody has decided about the version before the answer came, and differently."""


def question(
    sagemaker: SageMakerClient, s3: S3Client, version: Version, *, group: str, endpoint_name: str
) -> str:
    """Return all that a person needs to decide about a version, as Markdown.

    Args:
        sagemaker: A client.
        s3: A client.
        version: The version.
        group: Its model package group.
        endpoint_name: Where it would be deployed: what serves there is set beside it.

    Raises:
        ReportMissingError: Its evaluation report is gone.
        BrokenRecordError: Its decision record is none.
    """
    serving = _serving(sagemaker, endpoint_name, group=group)
    outcome = _outcome(s3, version)
    headline = outcome.headline if outcome else None
    found = outcome.metrics if outcome else _metrics(s3, version, None)
    shown = {f"version {version.number}, new": (version, found)}
    if serving:
        found = _metrics(s3, serving, headline)
        shown[f"version {serving.number}, serves now"] = (serving, found)
    lines = [
        *_table(shown, headline),
        "",
        *_comparison([metrics for _, metrics in shown.values()], headline),
        *(_gate(outcome) if outcome else ["No gate has judged it."]),
        "",
        f"* report: `{version.report_uri or 'none'}`",
    ]
    if outcome:
        lines += [
            f"* predictions: `{naming.predictions_uri(version.run_uri)}`",
            f"* decision: `{naming.decision_uri(version.run_uri)}`",
        ]
    lines.append(f"* version: `{version.arn}`")
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


def _against_gate(record: Mapping[str, Any]) -> list[str]:
    told = records.against_gate_of(record)
    return (
        [f"It is registered all the same, by {_line(told['by'])}: {_line(told['reason'])}."]
        if told
        else []
    )


def _outcome(s3: S3Client, version: Version) -> Outcome | None:
    """Read what the gate said of a version; None if there was none."""
    if not version.run_uri:
        return None
    uri = naming.decision_uri(version.run_uri)
    record = objects.find(s3, uri)
    if record is None:
        return None
    report = records.read_report(s3, version.run_uri)
    try:
        return outcome_of(json.loads(record.content), report.content)
    except (ValueError, RecursionError) as error:
        raise BrokenRecordError(f"{uri}: {error}") from error


def _gate(outcome: Outcome) -> list[str]:
    said = f"The gate: **{outcome.verdict}**, {_line(outcome.explanation)}."
    return [said, *_against_gate(outcome.record)]


def _metrics(s3: S3Client, version: Version, headline: Headline | None) -> Metrics:
    try:
        found = objects.find(s3, version.report_uri) if version.report_uri else None
        named = [headline.metric] if headline else []
        return metrics_in(parse(found.content), named=named) if found else Metrics()
    except (naming.InvalidNameError, UndecidableError):
        return Metrics()


def _table(shown: Mapping[str, tuple[Version, Metrics]], headline: Headline | None) -> list[str]:
    found = [metrics for _, metrics in shown.values()]
    paths = dict.fromkeys([headline.metric] if headline else [])
    for metrics in found:
        paths |= dict.fromkeys([*metrics.measures, *metrics.unusable])
    called = names(paths)
    more = len(paths) - _MOST
    rows = [
        _row(["", *shown]),
        _row(["---"] * (1 + len(shown))),
        _row(["snapshot", *(version.snapshot for version, _ in shown.values())]),
    ]
    for path in list(paths)[:_MOST]:
        cells = [called[path], *(_value(metrics, path) for metrics in found)]
        if headline and path == headline.metric:
            cells = [f"**{cell}**" for cell in cells]
            cells[0] += f", {headline.better} is better"
        rows.append(_row(cells))
    if more > 0:
        rows.append(_row([f"and {more} more", *("in its report" for _ in shown)]))
    return rows


def _comparison(found: list[Metrics], headline: Headline | None) -> list[str]:
    """Say which version is better, where both tell the headline."""
    values = [
        measure.value
        for metrics in found
        if headline and (measure := metrics.measures.get(headline.metric))
    ]
    if headline is None or len(values) < 2:
        return []
    new, serving = values
    name = _line(headline.name)
    if new == serving:
        return [f"By {name} both are the same.", ""]
    which = "new version" if headline.is_better(new, than=serving) else "version that serves"
    return [f"By {name}, of which {headline.better} is better, **the {which} is better**.", ""]


def _value(metrics: Metrics, path: str) -> str:
    measure = metrics.measures.get(path)
    return f"{measure.value:.6g}" if measure else metrics.unusable.get(path, _UNKNOWN)


def _serving(sagemaker: SageMakerClient, endpoint_name: str, *, group: str) -> Version | None:
    endpoint = endpoints.find(sagemaker, endpoint_name)
    if endpoint is None or endpoint.verified is None:
        return None
    return endpoints.version_of(sagemaker, endpoint.verified, endpoint_name, group=group)


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(_line(cell).replace('|', chr(92) + '|') for cell in cells)} |"


def _line(text: str) -> str:
    # Names and reasons come from files, which may hold anything.
    return " ".join(text.split())
