from __future__ import annotations

import csv
import io
import itertools
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from retraining import naming
from retraining.gate import decision as gate
from retraining.past_runs.publishing import write_history_report
from retraining.past_runs.what_if import at_least
from retraining.runs import records

# Matplotlib keeps a list of fonts, else in the home folder. It is imported with the first plot.
os.environ["MPLCONFIGDIR"] = str(Path(__file__).resolve().parents[3] / ".local/tests/matplotlib")

BUCKET = "history-task"
POLICY = at_least(0.6, metric="regression_metrics.r2_score")
ROOT = Path(__file__).resolve().parents[3]
numbers = itertools.count(1)


@pytest.fixture(scope="module")
def s3(embedded_sagemaker: Any) -> Any:
    client = embedded_sagemaker.client("s3")
    client.create_bucket(Bucket=BUCKET)
    return client


@pytest.fixture(scope="module")
def sagemaker(embedded_sagemaker: Any) -> Any:
    return embedded_sagemaker.client("sagemaker")


@pytest.fixture
def pipeline() -> str:
    """A pipeline of a test's own."""
    return f"pipeline-{next(numbers)}"


def judge(s3: Any, pipeline: str, snapshot: str, run_id: str = "r") -> None:
    """Do what a run's last tasks do."""
    uri = naming.run_uri(BUCKET, pipeline, snapshot, run_id)
    bucket, key = naming.split_s3_uri(naming.report_uri(uri))
    body = json.dumps({"regression_metrics": {"r2_score": {"value": 0.61}}}).encode()
    s3.put_object(Bucket=bucket, Key=key, Body=body)
    report = records.read_report(s3, uri)
    decision = gate.decide(report.content, POLICY, parameters={})
    run = {"run_id": run_id, "snapshot": snapshot}
    records.write_decision(
        s3, uri, decision=decision, report=report, pipeline={}, parameters={}, run=run
    )


def text_at(s3: Any, uri: str) -> str:
    bucket, key = naming.split_s3_uri(uri)
    text: str = s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode()
    return text


def snapshots_in(s3: Any, uri: str) -> list[str]:
    return [row["snapshot"] for row in csv.DictReader(io.StringIO(text_at(s3, uri)))]


def test_each_run_writes_the_report_over_the_one_before(
    s3: Any, sagemaker: Any, pipeline: str
) -> None:
    for days in (1, 2, 3):
        judge(s3, pipeline, f"2026-11-0{days}")
        uris = write_history_report(s3, sagemaker, BUCKET, pipeline=pipeline)
        assert uris == {
            "page": f"s3://{BUCKET}/{pipeline}/reports/history.html",
            "table": f"s3://{BUCKET}/{pipeline}/reports/history.csv",
        }
        assert len(snapshots_in(s3, uris["table"])) == days
        page = text_at(s3, uris["page"])
        assert f"{days} passed, 0 rejected" in page
        assert f"there is no endpoint {pipeline}" in page
    bucket, key = naming.split_s3_uri(uris["page"])
    assert s3.head_object(Bucket=bucket, Key=key)["ContentType"] == "text/html; charset=utf-8"


def test_only_the_newest_runs_are_told(s3: Any, sagemaker: Any, pipeline: str) -> None:
    for day in range(1, 6):
        judge(s3, pipeline, f"2026-11-0{day}")
    uris = write_history_report(s3, sagemaker, BUCKET, pipeline=pipeline, newest=2)
    assert snapshots_in(s3, uris["table"]) == ["2026-11-04", "2026-11-05"]


def test_a_pipeline_without_a_decision_has_a_report_that_says_so(
    s3: Any, sagemaker: Any, pipeline: str
) -> None:
    uris = write_history_report(s3, sagemaker, BUCKET, pipeline=pipeline)
    assert "There is no decision record." in text_at(s3, uris["page"])
    assert snapshots_in(s3, uris["table"]) == []


def test_a_slow_run_does_not_write_over_what_it_has_not_seen(
    embedded_sagemaker: Any, s3: Any, sagemaker: Any, pipeline: str
) -> None:
    judge(s3, pipeline, "2026-11-01")
    slow, overtaken = embedded_sagemaker.client("s3"), []

    def overtake(**_: Any) -> None:
        # Between what the slow one read and what it writes, another run is judged and reports.
        if not overtaken:
            overtaken.append(True)
            judge(s3, pipeline, "2026-11-02")
            write_history_report(s3, sagemaker, BUCKET, pipeline=pipeline)

    slow.meta.events.register("before-call.s3.PutObject", overtake)
    uris = write_history_report(slow, sagemaker, BUCKET, pipeline=pipeline)
    assert overtaken
    assert snapshots_in(s3, uris["table"]) == ["2026-11-01", "2026-11-02"]
    assert "2 passed" in text_at(s3, uris["page"])


def test_runs_that_end_together_leave_a_report_with_all_of_them(
    s3: Any, sagemaker: Any, pipeline: str
) -> None:
    days = [f"2026-11-0{day}" for day in range(1, 7)]

    def end(day: str) -> None:
        judge(s3, pipeline, day)
        write_history_report(s3, sagemaker, BUCKET, pipeline=pipeline)

    with ThreadPoolExecutor(len(days)) as pool:
        list(pool.map(end, days))
    uri = naming.reports_uri(BUCKET, pipeline)
    assert snapshots_in(s3, f"{uri}history.csv") == days
    assert "6 passed" in text_at(s3, f"{uri}history.html")


def test_the_module_is_imported_without_what_is_heavy() -> None:
    code = "import sys, retraining.past_runs.publishing; print(*sys.modules)"
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT / "plugins")},
        capture_output=True,
        text=True,
        check=True,
    )
    modules = set(ran.stdout.split())
    assert "retraining.past_runs.plots" in modules
    assert not modules & {"matplotlib", "jinja2", "numpy"}
