"""The report on a pipeline's past runs, written to S3 at the end of a run."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from retraining import naming
from retraining.past_runs.reading import read_history
from retraining.past_runs.report import PAGE, TABLE, make_report
from retraining.past_runs.standing import read_standing

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker import SageMakerClient

log = logging.getLogger(__name__)

_ATTEMPTS = 5
_KINDS = {TABLE: "text/csv; charset=utf-8", PAGE: "text/html; charset=utf-8"}
# Somebody else wrote it in the meantime, or deleted it.
_CHANGED = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"})


def write_history_report(
    s3: S3Client,
    sagemaker: SageMakerClient,
    bucket: str,
    *,
    pipeline: str,
    newest: int | None = None,
) -> dict[str, str]:
    """Write the page and the table of past runs over the ones that lie there.

    Runs that end at the same time all do this. None replaces a report that it has not seen, so the
    last one has every decision.

    Args:
        s3: The client.
        sagemaker: The client; a registry that does not answer leaves its part out.
        bucket: Where the runs lie, and the report.
        pipeline: The pipeline, which is also the model package group and the endpoint.
        newest: So many runs; None for all.

    Returns:
        The URIs: ``page`` and ``table``.
    """
    _keep_fonts_out_of_home()
    folder = naming.reports_uri(bucket, pipeline)
    uris = {name: f"{folder}{name}" for name in _KINDS}
    for _ in range(_ATTEMPTS):
        seen = {name: _etag(s3, uri) for name, uri in uris.items()}
        history = read_history(s3, bucket, pipeline=pipeline, newest=newest)
        standing = read_standing(sagemaker, pipeline, endpoint_name=pipeline)
        report = make_report(history, pipeline=pipeline, standing=standing)
        bodies = {TABLE: report.table, PAGE: report.page}
        if all(
            _put(s3, uri, bodies[name], kind=_KINDS[name], over=seen[name])
            for name, uri in uris.items()
        ):
            for sentence in report.sentences:
                log.info(sentence)
            break
    else:
        # They began after this run's decision was written, or they would have failed as well.
        log.info("other runs wrote the report meanwhile, with this run in it")
    log.info("the report is at %s", uris[PAGE])
    return {"page": uris[PAGE], "table": uris[TABLE]}


def _etag(s3: S3Client, uri: str) -> str | None:
    bucket, key = naming.split_s3_uri(uri)
    try:
        return s3.head_object(Bucket=bucket, Key=key)["ETag"]
    except ClientError as error:
        if error.response["Error"]["Code"] in {"404", "NoSuchKey"}:
            return None
        raise


def _put(s3: S3Client, uri: str, text: str, *, kind: str, over: str | None) -> bool:
    """Write an object if it still is what it was; say whether that was so."""
    bucket, key = naming.split_s3_uri(uri)
    body = text.encode()
    try:
        if over is None:
            s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType=kind, IfNoneMatch="*")
        else:
            s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType=kind, IfMatch=over)
    except ClientError as error:
        if error.response["Error"]["Code"] in _CHANGED:
            return False
        raise
    return True


def _keep_fonts_out_of_home() -> None:
    # Matplotlib keeps a list of the machine's fonts. A worker may have no home, or not its own.
    home = os.environ.get("AIRFLOW_HOME")
    if home:
        os.environ.setdefault("MPLCONFIGDIR", str(Path(home) / "matplotlib"))
