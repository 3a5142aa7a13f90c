"""Thirty nights, some bad, backfilled by a real Airflow whose scheduler is killed midway."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from retraining import naming
from retraining.runs import snapshots

from local_stack.programs.places import PROJECT
from local_stack.samples import nights_landing as history_landing
from local_stack.samples.nights import make_history, real_table, sample_csv
from local_stack.samples.pipelines import CALIFORNIA_HOUSING
from local_stack.services import environment
from tests.faults.stack import Stack, poll

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from local_stack.samples.nights import History, Night

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1500)]

DAG_ID = "california_housing_retraining"
NIGHTS = 30
CONTENDERS = 12
FEW_SLOTS = 2
CLIENT_S = 120
BACKFILL_S = 900


@pytest.fixture(scope="module")
def history() -> History:
    # The last night is that of the run that Airflow starts by itself.
    last = (datetime.now(UTC) - timedelta(hours=2)).date()
    return make_history(real_table(sample_csv()), NIGHTS, last=last)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, history: History) -> Iterator[Stack]:
    """The product's own DAGs and scripts on a real Airflow, with the nights landed."""
    folder = tmp_path_factory.mktemp("backfill")

    def land(running: Stack) -> None:
        history_landing.land_history(
            running.client("s3"),
            environment.BUCKET,
            pipeline=CALIFORNIA_HOUSING.name,
            history=history,
            say=lambda _: None,
        )

    scripts = PROJECT / "include" / "scripts"
    with Stack(folder, dags=PROJECT / "dags", scripts=scripts, before_airflow=land) as running:
        poll(lambda: not running.airflow.open_runs(DAG_ID), what="the end of the night's own run")
        yield running


def test_every_night_comes_to_what_its_manifest_says(
    stack: Stack, history: History, tmp_path: Path
) -> None:
    # Alone, so that each of the others has an earlier night's data to be compared with.
    create_backfill(stack, history.nights[:1], tmp_path, "--reprocess-behavior", "none")
    wait_for_backfills(stack)
    run_backfill(stack, history, tmp_path, "--reprocess-behavior", "none", is_disturbed=True)

    nights = stack.airflow.runs_by_date(DAG_ID)
    assert set(nights) == {night.date for night in history.nights}
    outcomes = {}
    for night in history.nights:
        run = nights[night.date]
        outcomes[night.date] = outcome_of(stack, night.date, run)
        wanted = night.expected.partition(": ")[0]
        assert outcomes[night.date] == wanted, f"{night.date}, {night.fault}"
    assert Counter(outcomes.values()) == Counter(
        night.expected.partition(": ")[0] for night in history.nights
    )

    versions = versions_by_snapshot(stack)
    assert {snapshot: len(found) for snapshot, found in versions.items()} == {
        day: 1 for day, outcome in outcomes.items() if outcome == "pass"
    }
    for day, (version,) in versions.items():
        is_last = day == history.nights[-1].date
        metadata = version["CustomerMetadataProperties"]
        assert metadata["run_type"] == ("scheduled" if is_last else "backfill")
        assert version["ModelApprovalStatus"] == "PendingManualApproval"

    # A night that fails in its first job or by its data has one, one without a snapshot none, any
    # other three.
    jobs = jobs_of(stack)
    assert Counter(jobs) == Counter(
        (day, step)
        for day, outcome in outcomes.items()
        for step in {"failed": ["preprocess"], "stopped": ["preprocess"], "no snapshot": []}.get(
            outcome, ["preprocess", "train", "evaluate"]
        )
    )
    assert most_jobs_at_once(stack) <= environment.JOB_SLOTS
    stack.airflow.start("past_runs_report", "manual__report", {})
    poll(
        lambda: stack.airflow.state("past_runs_report", "manual__report") == "success",
        what="the report on past runs",
    )
    page = stack.client("s3").get_object(
        Bucket=environment.BUCKET, Key=f"{CALIFORNIA_HOUSING.name}/reports/history.csv"
    )
    told = {line.split(",")[0] for line in page["Body"].read().decode().splitlines()[1:]}
    assert told == {day for day, outcome in outcomes.items() if outcome in {"pass", "stopped"}}


def test_repeating_the_backfill_costs_no_job_and_no_version(
    stack: Stack, history: History, tmp_path: Path
) -> None:
    before = jobs_of(stack), versions_by_snapshot(stack)
    run_backfill(stack, history, tmp_path, "--reprocess-behavior", "completed")
    # The jobs that failed leave nothing to reuse; each of these nights tries again.
    failed = [(night.date, "preprocess") for night in history.nights if "failed" in night.expected]
    assert Counter(jobs_of(stack)) == Counter([*before[0], *failed])
    assert versions_by_snapshot(stack) == before[1]
    for night in history.nights:
        run = stack.airflow.runs_by_date(DAG_ID)[night.date]
        assert run["run_type"] == "backfill"
        assert outcome_of(stack, night.date, run) == night.expected.partition(": ")[0]
    good = history.nights[0].date
    run_id = stack.airflow.runs_by_date(DAG_ID)[good]["dag_run_id"]
    log = stack.airflow.last_log(DAG_ID, run_id, task_id="train")
    assert "nothing has changed since" in log
    register = stack.airflow.last_log(DAG_ID, run_id, task_id="register_model")
    assert "already registered as version" in register


def test_another_run_goes_before_those_of_a_backfill(
    stack: Stack, history: History, tmp_path: Path
) -> None:
    # So few that a slow machine's tasks wait for them, too.
    stack.airflow.resize(environment.JOB_POOL, slots=FEW_SLOTS)
    never = ("--reprocess-behavior", "completed", "--dag-run-conf", '{"reuse_steps": "never"}')
    create_backfill(stack, history.nights[-CONTENDERS:], tmp_path, *never)
    poll(
        lambda: len(stack.airflow.open_runs(DAG_ID)) >= 2 * environment.JOB_SLOTS,
        what="many runs at once",
    )
    snapshot = history.nights[0].date
    stack.airflow.start(DAG_ID, "manual__now", {"snapshot": snapshot, "reuse_steps": "never"})
    wait_for_backfills(stack)
    stack.airflow.resize(environment.JOB_POOL, slots=environment.JOB_SLOTS)
    assert stack.airflow.state(DAG_ID, "manual__now") == "success"

    nights = stack.airflow.runs_by_date(DAG_ID)
    theirs = [
        moments_of(stack, nights[night.date]["dag_run_id"])
        for night in history.nights[-CONTENDERS:]
    ]
    waited = [moments for run in theirs for moments in run]
    assert waited
    overtaken = 0
    for scheduled, queued in moments_of(stack, "manual__now"):
        between = [moments for moments in waited if scheduled < moments[1] < queued]
        assert not between, "a task of a backfill got a slot that this one was waiting for"
        overtaken += sum(moments[0] < scheduled and queued < moments[1] for moments in waited)
    assert overtaken, "the pool was never short of slots"


def test_a_run_waits_for_a_snapshot_that_is_still_landing(stack: Stack, history: History) -> None:
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).date().isoformat()
    uri = naming.snapshot_uri(environment.BUCKET, CALIFORNIA_HOUSING.name, tomorrow)
    bucket, prefix = naming.split_s3_uri(uri)
    put = partial(stack.client("s3").put_object, Bucket=bucket)
    stack.airflow.start(DAG_ID, "manual__late", {"snapshot": tomorrow})
    poll(lambda: state_of_late(stack) == "deferred", what="the wait for the snapshot")
    # Like those of the newest version, with whose data they are compared.
    good = next(night for night in reversed(history.nights) if night.fault is None)
    for name, content in good.files.items():
        put(Key=f"{prefix}{name}", Body=content)
    assert state_of_late(stack) == "deferred"
    put(Key=f"{prefix}{snapshots.MARKER}", Body=b"")
    poll(lambda: stack.airflow.state(DAG_ID, "manual__late") == "success", what="its end")
    log = stack.airflow.last_log(DAG_ID, "manual__late", task_id="resolve_run")
    assert f"snapshot {tomorrow} has not landed" in log


def state_of_late(stack: Stack) -> str | None:
    state: str | None = stack.airflow.tasks(DAG_ID, "manual__late")["resolve_run"]["state"]
    return state


def run_backfill(
    stack: Stack, history: History, folder: Path, *options: str, is_disturbed: bool = False
) -> None:
    """Run Airflow's own command on all nights, and wait until the backfill is over."""
    create_backfill(stack, history.nights, folder, *options)
    if is_disturbed:
        third = NIGHTS // 3
        poll(lambda: ended(stack) >= third, what="a third of the nights", seconds=BACKFILL_S)
        stack.kill("scheduler", signal.SIGKILL)
        stack.start("scheduler")
        stack.wait_healthy()
    wait_for_backfills(stack)


def create_backfill(stack: Stack, nights: Sequence[Night], folder: Path, *options: str) -> None:
    first, last = nights[0].date, nights[-1].date
    command = [
        *(sys.executable, "-m", "airflow", "backfill", "create", "--dag-id", DAG_ID),
        *("--from-date", first, "--to-date", f"{last}T23:59:59", "--max-active-runs", "8"),
        *options,
    ]
    subprocess.run(
        command, env=stack.variables, cwd=folder, check=True, capture_output=True, timeout=CLIENT_S
    )


def wait_for_backfills(stack: Stack) -> None:
    poll(
        lambda: all(
            backfill["completed_at"] is not None for backfill in stack.airflow.backfills(DAG_ID)
        ),
        what="the end of the backfill",
        seconds=BACKFILL_S,
    )


def ended(stack: Stack) -> int:
    runs = stack.airflow.runs_by_date(DAG_ID).values()
    return sum(run["state"] in {"success", "failed"} for run in runs)


def moments_of(stack: Stack, run_id: str) -> list[tuple[datetime, datetime]]:
    """Return when each task of the pool was ready to go, and when it got its slot."""
    return [
        (
            datetime.fromisoformat(task["scheduled_when"]),
            datetime.fromisoformat(task["queued_when"]),
        )
        for task in stack.airflow.tasks(DAG_ID, run_id).values()
        if task["pool"] == environment.JOB_POOL and task["queued_when"]
    ]


def outcome_of(stack: Stack, day: str, run: dict[str, Any]) -> str:
    """Say how a night ended, in the words of the manifest."""
    tasks = stack.airflow.tasks(DAG_ID, run["dag_run_id"])
    if run["state"] == "failed":
        by = {"resolve_run": "no snapshot", "check_data": "stopped"}
        return next(
            (said for task, said in by.items() if tasks[task]["state"] == "failed"), "failed"
        )
    assert run["state"] == "success"
    uri = naming.run_uri(environment.BUCKET, CALIFORNIA_HOUSING.name, day, run["dag_run_id"])
    bucket, key = naming.split_s3_uri(naming.decision_uri(uri))
    body = stack.client("s3").get_object(Bucket=bucket, Key=key)["Body"]
    verdict: str = json.load(body)["verdict"]
    registered = tasks["register_model"]["state"] == "success"
    assert registered == (verdict == "pass")
    return verdict


def versions_by_snapshot(stack: Stack) -> dict[str, list[dict[str, Any]]]:
    client = stack.client("sagemaker")
    pages = client.get_paginator("list_model_packages").paginate(
        ModelPackageGroupName=CALIFORNIA_HOUSING.name
    )
    found: dict[str, list[dict[str, Any]]] = {}
    for page in pages:
        for item in page["ModelPackageSummaryList"]:
            version = client.describe_model_package(ModelPackageName=item["ModelPackageArn"])
            version.pop("ResponseMetadata")
            snapshot = version["CustomerMetadataProperties"]["snapshot"]
            found.setdefault(snapshot, []).append(version)
    return found


def jobs_of(stack: Stack) -> list[tuple[str, str]]:
    """Return the snapshot and the task of every job."""
    client = stack.client("sagemaker")
    found = []
    for kind in ("Processing", "Training"):
        pages = client.get_paginator(f"list_{kind.lower()}_jobs").paginate()
        for page in pages:
            for item in page[f"{kind}JobSummaries"]:
                tags = client.list_tags(ResourceArn=item[f"{kind}JobArn"])["Tags"]
                told = {tag["Key"]: tag["Value"] for tag in tags}
                run_id = told[naming.tag_key("run_id")]
                day = date.fromisoformat(run_id.partition("__")[2][:10]).isoformat()
                found.append((day, told[naming.tag_key("task_id")]))
    return found


def most_jobs_at_once(stack: Stack) -> int:
    client = stack.client("sagemaker")
    changes = []
    for kind in ("Processing", "Training"):
        for page in client.get_paginator(f"list_{kind.lower()}_jobs").paginate():
            for item in page[f"{kind}JobSummaries"]:
                end = item.get("ProcessingEndTime") or item["TrainingEndTime"]
                changes += [(item["CreationTime"], 1), (end, -1)]
    running = most = 0
    for _, change in sorted(changes):
        running += change
        most = max(most, running)
    return most
