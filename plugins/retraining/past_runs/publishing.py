"""The reports on past runs of all pipelines, kept up to date on S3 by one writer."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

from retraining import naming
from retraining.aws import s3 as objects
from retraining.past_runs.reading import list_records, pipelines_in, read_records
from retraining.past_runs.report import PAGE, TABLE, encoded, make_report
from retraining.past_runs.standing import read_standing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker import SageMakerClient

    from retraining.past_runs.reading import Record
    from retraining.past_runs.standing import Standing

log = logging.getLogger(__name__)

_MADE_OF = "made-of"


class ReportsFailedError(Exception):
    """Some pipelines' reports could not be written; the message says which and why."""


def write_reports(
    s3: S3Client, sagemaker: SageMakerClient, bucket: str, *, newest: int | None = None
) -> list[str]:
    """Bring the report of each pipeline in a bucket up to date.

    Args:
        s3: The client.
        sagemaker: The client; a registry that does not answer leaves its part out.
        bucket: Where the runs lie, and the reports.
        newest: So many runs of each; None for all.

    Returns:
        The URIs of the pages that were written.

    Raises:
        ReportsFailedError: A report could not be written; all others are.
    """
    pipelines = pipelines_in(s3, bucket)
    written, failed = [], []
    for pipeline in pipelines:
        try:
            page = write_report(s3, sagemaker, bucket, pipeline=pipeline, newest=newest)
        except Exception as error:
            # Whatever it is, the other pipelines have done nothing for it.
            log.exception("the report of %s was not written", pipeline)
            failed.append(f"{pipeline}: {type(error).__name__}: {error}")
            continue
        if page:
            written.append(page)
    log.info("wrote %d of %d reports in s3://%s/", len(written), len(pipelines), bucket)
    if failed:
        raise ReportsFailedError(
            f"{len(failed)} of {len(pipelines)} reports were not written: {'; '.join(failed)}"
        )
    return written


def write_report(
    s3: S3Client,
    sagemaker: SageMakerClient,
    bucket: str,
    *,
    pipeline: str,
    newest: int | None = None,
) -> str | None:
    """Write a pipeline's page and table of past runs over the ones that lie there, if need be.

    What a report was made of is kept beside it, so that nothing is read or written as long as no
    decision, approval or deployment has come: not when it was written, as a decision that came
    meanwhile would be forgotten.

    Args:
        s3: The client.
        sagemaker: The client; a registry that does not answer leaves its part out.
        bucket: Where the runs lie, and the report.
        pipeline: The pipeline, which is also the model package group and the endpoint.
        newest: So many runs; None for all.

    Returns:
        The page's URI; None if it was up to date, or no run has been judged.
    """
    records = list_records(s3, bucket, pipeline=pipeline, newest=newest)
    if not records:
        return None
    standing = read_standing(sagemaker, pipeline, endpoint_name=pipeline)
    made_of = _fingerprint(records, standing)
    folder = naming.reports_uri(bucket, pipeline)
    page = f"{folder}{PAGE}"
    if objects.find_metadata(s3, page).get(_MADE_OF) == made_of:
        return None
    _keep_fonts_out_of_home()
    history = read_records(s3, records, with_reports=False)
    report = make_report(history, pipeline=pipeline, standing=standing)
    objects.put(s3, f"{folder}{TABLE}", encoded(report.table), kind="text/csv; charset=utf-8")
    # What S3 did not give now it may give the next time: such a report is made anew then.
    is_final = not any(problem.may_pass for problem in history.problems)
    # Last, as it says that all is written.
    objects.put(
        s3,
        page,
        encoded(report.page),
        kind="text/html; charset=utf-8",
        metadata={_MADE_OF: made_of} if is_final else {},
    )
    for sentence in report.sentences:
        log.info("%s: %s", pipeline, sentence)
    log.info("the report is at %s", page)
    return page


def _fingerprint(records: Sequence[Record], standing: Standing) -> str:
    decisions = [[record.uri, record.etag] for record in records]
    stands = [dict(standing.words), standing.deployed, list(standing.sentences)]
    return naming.fingerprint(decisions, stands)


def _keep_fonts_out_of_home() -> None:
    # Matplotlib keeps a list of the machine's fonts. A worker may have no home, or not its own.
    home = os.environ.get("AIRFLOW_HOME")
    if home:
        os.environ.setdefault("MPLCONFIGDIR", str(Path(home) / "matplotlib"))
