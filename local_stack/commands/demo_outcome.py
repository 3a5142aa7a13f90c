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


STOPPED = "stopped"
# The verdict and the number of versions of each outcome.
_DUE = {"registered": ("pass", 1), "rejected": ("reject", 0), STOPPED: (STOPPED, 0)}


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
        verdict: The gate's verdict in ``decision.json``; ``stopped`` if the gate on data rejected
            what it was to be trained on; "" if there is no such record.
        reason: The gate's explanation.
        rows: The number of rows in the snapshot, as the report has it by which it was judged.
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
        training_jobs: So many there were.
    """

    outcomes: tuple[Outcome, ...]
    packages: Mapping[str, Mapping[str, str]]
    training_jobs: int


def gather(aws: Mapping[str, str], runs: Sequence[Run]) -> Evidence:
    """Read back what the runs have left behind.

    Args:
        aws: The variables that lead to the embedded SageMaker.
        runs: The runs.
    """
    sagemaker = embedded_sagemaker.api(aws)
    packages = _packages(sagemaker)
    s3 = embedded_sagemaker.s3(aws)
    pages = sagemaker.get_paginator("list_training_jobs").paginate()
    return Evidence(
        tuple(_outcome(s3, run, packages) for run in runs),
        packages,
        sum(len(page["TrainingJobSummaries"]) for page in pages),
    )


def check(evidence: Evidence, pipelines: Sequence[SamplePipeline], snapshot_date: str) -> None:
    """Make sure that all happened that the demo shows.

    Args:
        evidence: What was found.
        pipelines: Whose demo was shown; they say what must come of each run.
        snapshot_date: The day whose data the registered models were trained on.

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
        verdict, versions = _DUE[run.outcome]
        if outcome.verdict != verdict:
            said = outcome.verdict or "no decision.json"
            wrong.append(f"the gate's verdict on {run.about} is {said}, not {verdict}")
        if len(outcome.packages) != versions:
            wrong.append(
                f"the run with {run.about} registered {len(outcome.packages)} "
                f"versions, not {versions}"
            )
    trained = sum(run.outcome != STOPPED for _, run in wanted)
    if evidence.training_jobs != trained:
        wrong.append(f"there were {evidence.training_jobs} training jobs, not {trained}")
    due = sum(_DUE[run.outcome][1] for _, run in wanted)
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
        is_stopped = outcome.verdict == STOPPED
        unknown, done = ("-", "trained") if is_stopped else ("?", "registered")
        results.append(
            [
                outcome.run.name,
                str(outcome.run.params.get("snapshot")),
                "?" if outcome.rows is None else f"{outcome.rows:,}",
                unknown if outcome.value is None else f"{outcome.value:.4f}",
                outcome.threshold or unknown,
                outcome.verdict or "none",
                ", ".join(outcome.packages) or f"not {done}: {outcome.reason}",
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
    if not decision and (stopped := _stopped(s3, run, run_uri)):
        return stopped
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


def _stopped(s3: S3Client, run: Run, run_uri: str) -> Outcome | None:
    decision = _json(s3, naming.data_decision_uri(run_uri))
    if decision.get("verdict") != "reject":
        return None
    return Outcome(
        run=run,
        verdict=STOPPED,
        reason=str(decision["explanation"]),
        rows=_json(s3, naming.data_report_uri(run_uri)).get("rows"),
        metric=None,
        value=None,
        threshold=None,
        packages=(),
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
