"""What came of the demo's runs: read back from S3 and the registry, shown and checked."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from retraining import naming

from local_stack.errors import LocalStackError
from local_stack.services import embedded_sagemaker, environment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker import SageMakerClient


class DemoError(LocalStackError):
    """Something that the demo shows did not happen; the message says what."""


@dataclass(frozen=True, slots=True)
class Run:
    """A DAG run that has ended.

    Attributes:
        features: The feature set that it was given.
        run_id: Airflow's id of it.
        state: Its end state.
        params: All of its parameters, defaults included.
        seconds: How long each task took, in the order in which they ended.
    """

    features: str
    run_id: str
    state: str
    params: Mapping[str, Any]
    seconds: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run has left behind.

    Attributes:
        run: It.
        verdict: The gate's verdict in ``decision.json``, "" if there is no such record.
        reason: The gate's explanation.
        rows: The number of rows in the snapshot, as the evaluation report has it.
        r2: The model's r2 on the held-out rows.
        packages: The model package versions whose metadata name this run.
    """

    run: Run
    verdict: str
    reason: str
    rows: int | None
    r2: float | None
    packages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that the demo's runs have left behind.

    Attributes:
        outcomes: One for each run.
        packages: Each model package version in the registry with its metadata.
    """

    outcomes: tuple[Outcome, ...]
    packages: Mapping[str, Mapping[str, str]]


def gather(aws: Mapping[str, str], runs: Sequence[Run]) -> Evidence:
    """Read back what the runs have left behind.

    Args:
        aws: The variables that lead to the embedded SageMaker.
        runs: The runs.
    """
    packages = _packages(embedded_sagemaker.api(aws))
    s3 = embedded_sagemaker.s3(aws)
    return Evidence(tuple(_outcome(s3, run, packages) for run in runs), packages)


def check(evidence: Evidence, snapshot_date: str) -> None:
    """Make sure that all happened that the demo shows.

    Raises:
        DemoError: Something did not.
    """
    expected = {"raw": ("reject", 0), "engineered": ("pass", 1)}
    by_features = {outcome.run.features: outcome for outcome in evidence.outcomes}
    wrong = []
    for features, (verdict, versions) in expected.items():
        outcome = by_features.get(features)
        if outcome is None:
            wrong.append(f"the run with {features} features did not end")
            continue
        if outcome.run.state != "success":
            wrong.append(f"the run with {features} features ended as {outcome.run.state}")
        if outcome.verdict != verdict:
            found = outcome.verdict or "no decision.json"
            wrong.append(f"the gate's verdict on {features} features is {found}, not {verdict}")
        if len(outcome.packages) != versions:
            wrong.append(
                f"the run with {features} features registered {len(outcome.packages)} "
                f"versions, not {versions}"
            )
    if len(evidence.packages) != 1:
        wrong.append(f"the registry holds {len(evidence.packages)} versions, not 1")
    for arn, metadata in evidence.packages.items():
        if snapshot_date not in metadata.values():
            wrong.append(f"the metadata of {arn} do not name the snapshot {snapshot_date}")
    if wrong:
        raise DemoError("; ".join(wrong))


def table(outcomes: Sequence[Outcome]) -> str:
    """Return the outcomes as two tables: what came of each run, and its seconds per step."""
    results = [["run", "snapshot", "rows", "r2", "threshold", "verdict", "outcome"]]
    for outcome in outcomes:
        params = outcome.run.params
        results.append(
            [
                outcome.run.features,
                str(params.get("snapshot")),
                "?" if outcome.rows is None else f"{outcome.rows:,}",
                "?" if outcome.r2 is None else f"{outcome.r2:.4f}",
                f"≥ {params.get('r2_threshold')}",
                outcome.verdict or "none",
                ", ".join(outcome.packages) or f"not registered: {outcome.reason}",
            ]
        )
    steps = list(dict.fromkeys(task for o in outcomes for task in o.run.seconds))
    seconds = [["seconds", *steps, "all"]]
    for outcome in outcomes:
        took = outcome.run.seconds
        cells = [f"{took[step]:.1f}" if step in took else "-" for step in steps]
        seconds.append([outcome.run.features, *cells, f"{sum(took.values()):.1f}"])
    return f"{_aligned(results)}\n\n{_aligned(seconds)}"


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
    return "\n".join(f"  {line}" for line in lines)


def _outcome(s3: S3Client, run: Run, packages: Mapping[str, Mapping[str, str]]) -> Outcome:
    run_uri = naming.run_uri(
        environment.BUCKET, environment.PIPELINE, str(run.params.get("snapshot")), run.run_id
    )
    decision = _json(s3, naming.decision_uri(run_uri))
    report = _json(s3, naming.report_uri(run_uri))
    names = {naming.metadata_value(run.run_id), naming.run_folder(run.run_id)}
    return Outcome(
        run=run,
        verdict=str(decision.get("verdict", "")),
        reason=str(decision.get("explanation", "no decision.json")),
        rows=report.get("rows", {}).get("snapshot"),
        r2=report.get("regression_metrics", {}).get("r2_score", {}).get("value"),
        packages=tuple(arn for arn, meta in packages.items() if names & set(meta.values())),
    )


def _json(s3: S3Client, uri: str) -> dict[str, Any]:
    bucket, key = naming.split_s3_uri(uri)
    try:
        content: dict[str, Any] = json.load(s3.get_object(Bucket=bucket, Key=key)["Body"])
    except s3.exceptions.NoSuchKey:
        return {}
    return content


def _packages(sagemaker: SageMakerClient) -> dict[str, dict[str, str]]:
    groups = [
        group["ModelPackageGroupName"]
        for page in sagemaker.get_paginator("list_model_package_groups").paginate()
        for group in page["ModelPackageGroupSummaryList"]
    ]
    arns = [
        item["ModelPackageArn"]
        for name in groups
        for page in sagemaker.get_paginator("list_model_packages").paginate(
            ModelPackageGroupName=name
        )
        for item in page["ModelPackageSummaryList"]
    ]
    return {
        arn: sagemaker.describe_model_package(ModelPackageName=arn).get(
            "CustomerMetadataProperties", {}
        )
        for arn in arns
    }
