"""``make report`` as a person calls it, on the embedded SageMaker."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from retraining import naming
from retraining.gate import decision as gate
from retraining.past_runs.what_if import at_least
from retraining.runs import records

from local_stack.programs import control
from local_stack.programs.places import PROJECT, local_place
from local_stack.samples.pipelines import CALIFORNIA_HOUSING
from local_stack.services.environment import BUCKET

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import EmbeddedSageMaker, RunEmbeddedSageMaker
    from mypy_boto3_s3 import S3Client

PIPELINE = CALIFORNIA_HOUSING.name
HEADLINE = {"metric": "regression_metrics.r2_score", "better": "higher"}
# By day of the month: one could not be judged, and one has no decision.
NIGHTS = {18: 0.59, 19: 0.61, 20: None, 22: 0.63}


def call(state: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "local_stack", "--state", str(state), "report", *arguments],
        cwd=PROJECT,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(state / "home"),
            "AWS_EC2_METADATA_DISABLED": "true",
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def bucket(embedded_sagemaker: EmbeddedSageMaker) -> str:
    name = f"report-{uuid.uuid4()}"
    embedded_sagemaker.client("s3").create_bucket(Bucket=name)
    return name


@pytest.fixture
def report(embedded_sagemaker: EmbeddedSageMaker, bucket: str, tmp_path: Path) -> Any:
    """Calls it for a deployment: the embedded SageMaker, as the environment names it."""

    def run(*arguments: str, **environment: str | None) -> subprocess.CompletedProcess[str]:
        variables = {**embedded_sagemaker.environment, "RETRAINING_BUCKET": bucket, **environment}
        known = {name: value for name, value in variables.items() if value is not None}
        return call(tmp_path, "--deployment", *arguments, **known)

    return run


def judge_nights(s3: S3Client, bucket: str) -> None:
    """Leave behind what the last tasks of some nights' runs do."""
    for day, r2 in NIGHTS.items():
        uri = naming.run_uri(bucket, PIPELINE, f"2026-11-{day}", f"backfill__{day}")
        metrics = {"regression_metrics": {"r2_score": {"value": r2}, "rmse": {"value": 0.7}}}
        _, key = naming.split_s3_uri(naming.report_uri(uri))
        s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(metrics).encode())
        found = records.read_report(s3, uri)
        decision = gate.decide(
            found.content, at_least(0.6, metric="regression_metrics.r2_score"), parameters={}
        )
        run: dict[str, object] = {"run_id": f"backfill__{day}"}
        pipeline = {"name": PIPELINE, "headline": HEADLINE, "plots": []}
        records.write_decision(
            s3, uri, decision=decision, report=found, pipeline=pipeline, parameters={}, run=run
        )


@pytest.fixture
def judged(embedded_sagemaker: EmbeddedSageMaker, bucket: str) -> None:
    """Some nights in the deployment's bucket."""
    judge_nights(embedded_sagemaker.client("s3"), bucket)


@pytest.mark.usefixtures("judged")
def test_it_writes_a_page_and_a_table_and_tells_what_is_in_them(
    report: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    ran = report()
    assert (ran.returncode, ran.stderr) == (0, "")
    page, table = tmp_path / "report/history.html", tmp_path / "report/history.csv"
    runs, gaps, *rest = ran.stdout.splitlines()
    assert runs == (
        "report: 4 runs of 4 snapshots, 2026-11-18 to 2026-11-22: 2 passed, 1 rejected, "
        "1 could not be judged. 0 versions registered."
    )
    assert gaps.startswith("report: No decision for 1 day in between: 2026-11-21; ")
    assert rest == [
        f"report: Nothing is deployed: there is no endpoint {PIPELINE}.",
        f"report: {page}",
        f"report: {table}",
    ]
    assert "2026-11-21; there was no snapshot" in page.read_text()
    with table.open() as lines:
        assert [row["snapshot"][-2:] for row in csv.DictReader(lines)] == ["18", "19", "20", "22"]
    assert not (tmp_path / "home").exists()


@pytest.mark.usefixtures("judged")
def test_a_what_if_tells_which_verdicts_would_differ(
    report: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    ran = report("--at-least", "0.62", "--folder", str(tmp_path / "elsewhere"), "--newest", "3")
    *_, what_if, differing, page, _ = ran.stdout.splitlines()
    assert what_if == (
        "report: What if the gate asked for r2_score ≥ 0.62: 1 passed, 1 rejected, 1 could not be "
        "judged; 1 verdict would differ. Nothing was run or registered for this."
    )
    assert differing == "report: Another verdict: 2026-11-19 (pass → reject)."
    assert page == f"report: {tmp_path}/elsewhere/history.html"
    ran = report("--at-most", "0.5", "--metric", "rmse")
    assert "asked for rmse ≤ 0.5: 0 passed, 4 rejected, 0 could not" in ran.stdout


@pytest.mark.usefixtures("judged")
@pytest.mark.parametrize(
    "metric", ["r2", "r2_score", "regression_metrics.r2_score", "regression_metrics.r2_score.value"]
)
def test_a_metric_is_named_by_its_path_or_its_last_part_or_how_that_begins(
    report: Callable[..., subprocess.CompletedProcess[str]], metric: str
) -> None:
    ran = report("--at-least", "0.62", "--metric", metric)
    assert ran.returncode == 0, ran.stderr
    assert "0.62: 1 passed, 2 rejected, 1 could not be judged" in ran.stdout


@pytest.mark.usefixtures("judged")
def test_a_limit_is_set_on_the_side_that_is_better(
    report: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    ran = report("--limit", "0.62")
    assert "asked for r2_score ≥ 0.62: 1 passed, 2 rejected" in ran.stdout, ran.stderr
    ran = report("--limit", "0.5", "--metric", "rmse")
    assert ran.returncode == 1
    assert "say whether at least or at most" in ran.stderr


@pytest.mark.usefixtures("judged")
def test_a_name_that_several_metrics_begin_with_is_refused(
    report: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    ran = report("--at-least", "0.62", "--metric", "r")
    assert ran.returncode == 1
    assert ran.stderr == (
        "report: several metrics are called r; METRIC is one of "
        "regression_metrics.r2_score, regression_metrics.rmse\n"
    )


@pytest.mark.usefixtures("judged")
@pytest.mark.parametrize("name", ["california_housing", "california-housing"])
def test_a_pipeline_is_named_as_its_folder_or_as_keys_spell_it(
    report: Callable[..., subprocess.CompletedProcess[str]], name: str
) -> None:
    ran = report("--pipeline", name)
    assert ran.stdout.startswith("report: 4 runs of 4 snapshots"), ran.stderr


@pytest.mark.usefixtures("judged")
def test_another_pipelines_runs_are_not_reported(
    report: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    ran = report("--pipeline", "somebodys_own")
    assert ran.returncode == 1
    assert ran.stderr.startswith("report: no run of somebodys_own has been judged")


@pytest.mark.usefixtures("judged")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--at-least", "high"], "'high' is not a number"),
        (["--at-least", "nan"], "'nan' is not a number"),
        (["--at-least", "0.6", "--at-most", "0.7"], "not allowed with argument"),
        (["--newest", "0"], "'0' is not a number of runs"),
        (["--metric", "r2"], "report: METRIC says what AT_LEAST or AT_MOST is about"),
        (
            ["--at-least", "0.6", "--metric", "f1"],
            "report: no run can be judged by regression_metrics.f1: undecidable: ",
        ),
    ],
)
def test_a_wish_that_makes_no_sense_is_refused(
    report: Callable[..., subprocess.CompletedProcess[str]], arguments: list[str], said: str
) -> None:
    ran = report(*arguments)
    assert ran.returncode != 0
    assert said in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_bucket_without_a_record_is_an_error(
    report: Callable[..., subprocess.CompletedProcess[str]], bucket: str, tmp_path: Path
) -> None:
    ran = report()
    assert ran.returncode == 1
    assert ran.stderr == (
        f"report: no run of {PIPELINE} has been judged: there is no decision record below "
        f"s3://{bucket}/{PIPELINE}/runs/\n"
    )
    assert not (tmp_path / "report").exists()


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"RETRAINING_BUCKET": "no-such-bucket"}, "report: the records in the bucket no-such-"),
        ({"RETRAINING_BUCKET": None}, "report: RETRAINING_BUCKET is not set"),
        ({"AWS_ENDPOINT_URL": "nowhere"}, "report: Invalid endpoint: nowhere"),
        ({"AWS_DEFAULT_REGION": None}, "report: You must specify a region"),
    ],
)
def test_a_deployment_that_cannot_be_reached_is_an_error(
    report: Callable[..., subprocess.CompletedProcess[str]],
    environment: dict[str, str | None],
    said: str,
) -> None:
    ran = report(**environment)
    assert ran.returncode == 1
    assert ran.stderr.startswith(said)
    assert ran.stderr.count("\n") == 1


@pytest.mark.usefixtures("judged")
def test_a_folder_that_cannot_be_written_is_an_error(
    report: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("x")
    ran = report("--folder", str(tmp_path / "file"))
    assert ran.returncode == 1
    assert ran.stderr.startswith(f"report: the report cannot be written to {tmp_path}/file: ")


def test_a_place_that_does_not_run_is_an_error(tmp_path: Path) -> None:
    ran = call(tmp_path, RETRAINING_BUCKET="not-looked-at")
    assert ran.returncode == 1
    assert ran.stderr == "report: the place does not run; start it with: make up\n"


def test_it_reads_the_place_that_runs_and_not_what_the_shell_names(
    run_embedded_sagemaker: RunEmbeddedSageMaker, tmp_path: Path
) -> None:
    place = local_place(state=tmp_path / "place")
    with run_embedded_sagemaker(tmp_path / "sagemaker") as server, control.hold(place):
        s3 = server.client("s3")
        s3.create_bucket(Bucket=BUCKET)
        judge_nights(s3, BUCKET)
        control.write_record(place, replace(control.record_of(()), sagemaker_url=server.url))
        ran = call(place.state, AWS_ENDPOINT_URL="http://127.0.0.1:9", RETRAINING_BUCKET="other")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "report: 4 runs of 4 snapshots" in ran.stdout
    assert (place.state / "report/history.html").is_file()
