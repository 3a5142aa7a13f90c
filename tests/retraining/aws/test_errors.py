from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError
from retraining.runs import records
from retraining.runs.snapshots import find_snapshot


def test_an_error_of_s3_names_what_it_is_about(embedded_sagemaker: Any) -> None:
    bucket = "no-such-bucket"
    s3 = embedded_sagemaker.client("s3")
    with pytest.raises(ClientError, match=rf"^s3://{bucket}/p/snapshots/2026-11-20/: .*NoSuchBuck"):
        find_snapshot(s3, bucket, pipeline="p", date="2026-11-20")
    with pytest.raises(ClientError, match=rf"^s3://{bucket}/p/evaluation/evaluation.json: "):
        records.read_report(s3, f"s3://{bucket}/p/")
