"""``make report``: the past runs on one page, and what another gate would have said of them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from retraining import naming
from retraining.gate.decision import Verdict
from retraining.past_runs import what_if
from retraining.past_runs.columns import columns_of
from retraining.past_runs.reading import read_history
from retraining.past_runs.report import make_report, write_report
from retraining.past_runs.standing import read_standing

from local_stack.commands import up
from local_stack.errors import LocalStackError
from local_stack.services import embedded_sagemaker, environment

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker import SageMakerClient
    from retraining.gate.conditions import Condition
    from retraining.past_runs.reading import History
    from retraining.past_runs.what_if import Rejudged

    from local_stack.programs.places import Place


class ReportError(LocalStackError):
    """There is nothing to report, or it cannot be read."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where runs, versions and endpoints are.

    Attributes:
        s3: The client of the runs' records.
        sagemaker: The client of the registry and the endpoint.
        bucket: Where the runs lie.
    """

    s3: S3Client
    sagemaker: SageMakerClient
    bucket: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a person asked for.

    Attributes:
        at_least: Judge the same reports by this least value of the metric.
        at_most: Or by this greatest one.
        metric: A metric's path in the report, or the last part of it, or how that begins where
            no other begins so; None for the one by which the newest run was judged.
        newest: So many runs; None for all.
        limit: Or judge by this limit, on the side that is better for the metric.
    """

    at_least: float | None = None
    at_most: float | None = None
    metric: str | None = None
    newest: int | None = None
    limit: float | None = None


def running(place: Place) -> Source:
    """Return the embedded SageMaker of a place.

    Raises:
        UpError: The place does not run, or is still starting.
    """
    aws = environment.embedded_aws_environment(up.sagemaker_url(place))
    return Source(embedded_sagemaker.s3(aws), embedded_sagemaker.api(aws), environment.BUCKET)


def deployment() -> Source:
    """Return what the AWS settings of the environment and ``RETRAINING_BUCKET`` lead to.

    Raises:
        ReportError: A setting is missing.
    """
    bucket = os.environ.get("RETRAINING_BUCKET", "")
    if not bucket:
        raise ReportError("RETRAINING_BUCKET is not set; it names the bucket of the runs")
    try:
        return Source(boto3.client("s3"), boto3.client("sagemaker"), bucket)
    except (BotoCoreError, ValueError) as error:
        # A ValueError is an AWS_ENDPOINT_URL that is none.
        raise ReportError(str(error)) from error


def write(
    source: Source, pipeline: str, wanted: Wanted, *, folder: Path
) -> tuple[tuple[str, ...], Path, Path]:
    """Write the page and the table of a pipeline's past runs into a folder.

    Args:
        source: Where they are.
        pipeline: The pipeline, which is also the model package group and the endpoint.
        wanted: What to show.
        folder: Where to; it is made.

    Returns:
        Sentences about the runs, and the paths of the page and the table.

    Raises:
        ReportError: No run has been judged, the records cannot be read, no report has the metric,
            a metric is named without a value, or the folder cannot be written.
    """
    try:
        history = read_history(source.s3, source.bucket, pipeline=pipeline, newest=wanted.newest)
    except (BotoCoreError, ClientError) as error:
        raise ReportError(
            f"the records in the bucket {source.bucket} cannot be read: {error}"
        ) from error
    if not history.runs and not history.problems:
        raise ReportError(
            f"no run of {pipeline} has been judged: there is no decision record below "
            f"{naming.runs_uri(source.bucket, pipeline)}"
        )
    report = make_report(
        history,
        pipeline=pipeline,
        standing=read_standing(source.sagemaker, pipeline, endpoint_name=pipeline),
        rejudged=_rejudged(history, wanted),
    )
    try:
        page, table = write_report(folder, report)
    except OSError as error:
        raise ReportError(f"the report cannot be written to {folder}: {error}") from error
    return report.sentences, page, table


def _rejudged(history: History, wanted: Wanted) -> Sequence[Rejudged]:
    try:
        policy = _policy(history, wanted)
    except what_if.UnknownMetricError as error:
        which = f"; METRIC is one of {', '.join(error.metrics)}" if error.metrics else ""
        raise ReportError(f"{error}{which}") from error
    if policy is None:
        return ()
    judged = what_if.what_if(history.runs, policy)
    could = [item for item in judged if item.run.outcome.metrics.measures]
    if could and all(item.decision.verdict is Verdict.UNDECIDABLE for item in could):
        columns = columns_of([item.run for item in could])
        metric, why = judged[0].bounds[0].metric, could[-1].decision.explanation
        raise ReportError(
            f"no run can be judged by {metric}: {why}. "
            f"The metrics are {', '.join(sorted(columns.called.values()))}"
        )
    return judged


def _policy(history: History, wanted: Wanted) -> tuple[Condition, ...] | None:
    if wanted.at_least is not None:
        path = what_if.path_of(history.runs, wanted.metric)
        return what_if.at_least(wanted.at_least, metric=path)
    if wanted.at_most is not None:
        path = what_if.path_of(history.runs, wanted.metric)
        return what_if.at_most(wanted.at_most, metric=path)
    if wanted.limit is not None:
        return what_if.limit(history.runs, wanted.limit, metric=wanted.metric)
    if wanted.metric:
        raise ReportError("METRIC says what AT_LEAST or AT_MOST is about; give one of them too")
    return None
