"""What came of the demo's runs: read back from S3 and the registry, shown and checked."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from retraining import naming
from retraining.gate.headline import headline_of, limit_of
from retraining.gate.report import metrics_in

from local_stack.errors import LocalStackError
from local_stack.services import embedded_sagemaker, environment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker import SageMakerClient

    from local_stack.samples.pipelines import SamplePipeline


class DemoError(LocalStackError):
    """Something that the demo shows did not happen; the message says what."""


@dataclass(frozen=True, slots=True)
class Run:
    """A DAG run that has ended.

    Attributes:
        pipeline: The pipeline that it retrains.
        name: What the demo calls it.
        run_id: Airflow's id of it.
        state: Its end state.
        params: All of its parameters, defaults included.
        seconds: How long each task took, in the order in which they ended.
    """

    pipeline: str
    name: str
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
        metric: What it was mostly judged by; None if there is no record that tells.
        value: That metric of the model, None if the report has none.
        threshold: What the gate asked of it: ``≥ 0.6``.
        packages: The model package versions whose metadata name this run.
    """

    run: Run
    verdict: str
    reason: str
    rows: int | None
    metric: str | None
    value: float | None
    threshold: str | None
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


def check(evidence: Evidence, pipelines: Sequence[SamplePipeline], snapshot_date: str) -> None:
    """Make sure that all happened that the demo shows.

    Args:
        evidence: What was found.
        pipelines: Whose demo was shown; they say what must come of each run.
        snapshot_date: The day whose data was used.

    Raises:
        DemoError: Something did not.
    """
    found = {(outcome.run.pipeline, outcome.run.name): outcome for outcome in evidence.outcomes}
    wanted = [(pipeline.name, run) for pipeline in pipelines for run in pipeline.demo]
    wrong = []
    for pipeline, run in wanted:
        outcome = found.get((pipeline, run.name))
        if outcome is None:
            wrong.append(f"the run with {run.about} did not end")
            continue
        if outcome.run.state != run.state:
            wrong.append(f"the run with {run.about} ended as {outcome.run.state}")
        verdict, versions = ("pass", 1) if run.passes else ("reject", 0)
        if outcome.verdict != verdict:
            said = outcome.verdict or "no decision.json"
            wrong.append(f"the gate's verdict on {run.about} is {said}, not {verdict}")
        if len(outcome.packages) != versions:
            wrong.append(
                f"the run with {run.about} registered {len(outcome.packages)} "
                f"versions, not {versions}"
            )
    due = sum(run.passes for _, run in wanted)
    if len(evidence.packages) != due:
        wrong.append(f"the registry holds {len(evidence.packages)} versions, not {due}")
    for arn, metadata in evidence.packages.items():
        if snapshot_date not in metadata.values():
            wrong.append(f"the metadata of {arn} do not name the snapshot {snapshot_date}")
    if wrong:
        raise DemoError("; ".join(wrong))


def tables(outcomes: Sequence[Outcome]) -> str:
    """Return two tables for each pipeline: what came of each run, and its seconds per step."""
    by_pipeline = groupby(outcomes, key=lambda outcome: outcome.run.pipeline)
    return "\n\n".join(f"{pipeline}\n{_tables(list(group))}" for pipeline, group in by_pipeline)


def _tables(outcomes: Sequence[Outcome]) -> str:
    # The runs of a pipeline are judged by one metric; where a record is missing, another tells.
    metric = next((outcome.metric for outcome in outcomes if outcome.metric), "metric")
    results = [["run", "snapshot", "rows", metric, "threshold", "verdict", "outcome"]]
    for outcome in outcomes:
        results.append(
            [
                outcome.run.name,
                str(outcome.run.params.get("snapshot")),
                "?" if outcome.rows is None else f"{outcome.rows:,}",
                "?" if outcome.value is None else f"{outcome.value:.4f}",
                outcome.threshold or "?",
                outcome.verdict or "none",
                ", ".join(outcome.packages) or f"not registered: {outcome.reason}",
            ]
        )
    steps = list(dict.fromkeys(task for o in outcomes for task in o.run.seconds))
    seconds = [["seconds", *steps, "all"]]
    for outcome in outcomes:
        took = outcome.run.seconds
        cells = [f"{took[step]:.1f}" if step in took else "-" for step in steps]
        seconds.append([outcome.run.name, *cells, f"{sum(took.values()):.1f}"])
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
        environment.BUCKET, run.pipeline, str(run.params.get("snapshot")), run.run_id
    )
    decision = _json(s3, naming.decision_uri(run_uri))
    headline = headline_of(decision)
    limit = limit_of(decision, headline) if headline else None
    path = [headline.metric] if headline else []
    found = metrics_in(_json(s3, naming.report_uri(run_uri)), named=path)
    measure = found.measures.get(headline.metric) if headline else None
    names = {naming.metadata_value(run.run_id), naming.run_folder(run.run_id)}
    return Outcome(
        run=run,
        verdict=str(decision.get("verdict", "")),
        reason=str(decision.get("explanation", "no decision.json")),
        rows=found.rows.get("snapshot"),
        metric=headline.name if headline else None,
        value=measure.value if measure else None,
        threshold=f"{limit.sign} {limit.value}" if limit else None,
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
