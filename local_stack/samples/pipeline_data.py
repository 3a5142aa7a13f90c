"""Land what a pipeline works on: its pretrained model, if it begins with one, and a day's table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retraining import naming

from local_stack.samples import landing
from local_stack.samples.pretrained_model import FILES

if TYPE_CHECKING:
    from pathlib import Path

    from mypy_boto3_s3 import S3Client

    from local_stack.samples.pipelines import SamplePipeline


def land(
    s3: S3Client,
    bucket: str,
    pipeline: SamplePipeline,
    *,
    day: str,
    table: Path | None = None,
    make_bucket: bool = False,
) -> landing.Landing:
    """Put a table in its place as a day's snapshot, and before it what the pipeline begins with.

    Args:
        s3: The client.
        bucket: The bucket.
        pipeline: Whose data.
        day: The snapshot's, YYYY-MM-DD.
        table: Another table than the pipeline's own.
        make_bucket: Whether to make the bucket if it is absent.

    Raises:
        InvalidNameError: It is no day.
        SnapshotConflictError: Other data lies there.
        NothingToLandError: A file is not there, or there is no bucket.
    """
    uri = naming.snapshot_uri(bucket, pipeline.name, day)
    if folder := pipeline.pretrained:
        model_uri = naming.pretrained_uri(bucket, pipeline.name, folder.name)
        files = {name: folder / name for name in FILES}
        landing.land(s3, model_uri, files, make_bucket=make_bucket, complete=False)
    table = table or pipeline.table
    return landing.land(s3, uri, {table.name: table}, make_bucket=make_bucket)
