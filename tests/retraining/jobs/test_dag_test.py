"""A deferred job in `dag.test()`, which hands less to a task that goes on than a scheduler does."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.dags.airflow_place import airflow_variables

ROOT = Path(__file__).resolve().parents[3]
BUCKET = "copying"

pytestmark = pytest.mark.e2e


def test_the_second_of_two_equal_runs_makes_no_job(embedded_sagemaker: Any, tmp_path: Path) -> None:
    s3, sagemaker = (embedded_sagemaker.client(name) for name in ("s3", "sagemaker"))
    s3.create_bucket(Bucket=BUCKET)
    for key in ("p/runs/2026-11-20/landed/data", "p/code/1/scripts/none.py"):
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"landed")
    variables = {
        **airflow_variables(tmp_path),
        **embedded_sagemaker.environment,
        "AIRFLOW__CORE__DAGS_FOLDER": str(Path(__file__).with_name("dags")),
        "AIRFLOW_CONN_AWS_DEFAULT": '{"conn_type": "aws"}',
        "RETRAINING_BUCKET": BUCKET,
        "RETRAINING_ROLE_ARN": "arn:aws:iam::123456789012:role/retraining",
    }
    events = tmp_path / "events.jsonl"
    runs = [
        "copying",
        "--events",
        str(events),
        "--conf",
        '{"run": "one"}',
        "--conf",
        '{"run": "two"}',
    ]
    for command in (
        ["-m", "airflow", "db", "migrate"],
        ["-P", str(ROOT / "local_stack/commands/dag_runs.py"), *runs],
    ):
        ended = subprocess.run(
            [sys.executable, *command],
            env=variables,
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        assert ended.returncode == 0, ended.stdout[-5000:]
    told = [json.loads(line) for line in events.read_text().splitlines()]
    assert [line["state"] for line in told if line["event"] == "run_ended"] == ["success"] * 2
    jobs = sagemaker.list_processing_jobs(NameContains="copying-copy")["ProcessingJobSummaries"]
    assert len(jobs) == 1
    for run in ("one", "two"):
        found = s3.get_object(Bucket=BUCKET, Key=f"p/runs/2026-11-20/{run}/to/data")
        assert found["Body"].read() == b"landed"
