"""What a run works on, and how long its snapshot is waited for, on the embedded SageMaker."""

from __future__ import annotations

import asyncio
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from retraining import GreaterThanOrEqualTo, Metric, Parameter

from tests.retraining.declarations import pipeline

ROOT = Path(__file__).resolve().parents[3]
BUCKET = "resolving"
PIPELINE = "california-housing"
TODAY = datetime.now(tz=UTC).date().isoformat()


@pytest.fixture(scope="module")
def airflow(become_a_task: Any, embedded_sagemaker: Any) -> SimpleNamespace:
    """The operator in an Airflow of its own, imported after its home is known."""
    become_a_task(
        RETRAINING_BUCKET=BUCKET,
        RETRAINING_IMAGE_URIS="sklearn:1.4-2-py312=an/image:1",
        RETRAINING_SCRIPTS_FOLDER=str(ROOT / "include" / "scripts"),
    )
    from airflow.sdk.exceptions import (  # noqa: PLC0415
        AirflowFailException,
        TaskDeferred,
    )
    from retraining.runs import operators  # noqa: PLC0415

    s3 = embedded_sagemaker.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    for date in ("2026-11-18", "2026-11-19"):
        for name in ("a.csv", "_SUCCESS"):
            key = f"{PIPELINE}/snapshots/{date}/{name}"
            s3.put_object(Bucket=BUCKET, Key=key, Body=date.encode())
    return SimpleNamespace(
        s3=s3, resolve_run=operators, Deferred=TaskDeferred, Fail=AirflowFailException
    )


def resolve(airflow: SimpleNamespace, context: Any, *, patience: timedelta | None = None) -> Any:
    operator = airflow.resolve_run.ResolveRunOperator(
        task_id="resolve_run", pipeline=pipeline(PIPELINE), patience=patience or timedelta(hours=30)
    )
    return operator.execute(context)


def context(kind: str = "manual", date: str = "", *, snapshot: str | None = None) -> Any:
    params = {
        "snapshot": snapshot, "instance_type": "ml.m5.large", "reuse_steps": "backfills",
        "least": 0.6,
    }  # fmt: skip
    run = SimpleNamespace(
        run_id=f"{kind}__{date}",
        run_type=kind,
        logical_date=datetime.fromisoformat(f"{date or TODAY}T02:00:00+00:00"),
        clear_number=2,
    )
    pushed: dict[str, str] = {}
    ti = SimpleNamespace(pushed=pushed, xcom_push=pushed.__setitem__)
    return {"dag_run": run, "params": params, "ti": ti}


@pytest.mark.parametrize("kind", ["scheduled", "backfill"])
def test_a_night_works_on_its_own_date(airflow: SimpleNamespace, kind: str) -> None:
    night = context(kind, "2026-11-18")
    found = resolve(airflow, night)
    assert night["ti"].pushed == {"snapshot": "2026-11-18"}
    assert found["snapshot"] == "2026-11-18"
    assert found["snapshot_uri"] == f"s3://{BUCKET}/{PIPELINE}/snapshots/2026-11-18/"
    assert found["run_uri"].startswith(f"s3://{BUCKET}/{PIPELINE}/runs/2026-11-18/{kind}__")
    # Only a backfill reuses steps, as long as nobody clears one: the run was cleared twice so far.
    assert found["reuse"] == ("2" if kind == "backfill" else "")


def test_a_run_by_hand_takes_the_newest_or_the_one_it_names(airflow: SimpleNamespace) -> None:
    assert resolve(airflow, context())["snapshot"] == "2026-11-19"
    assert resolve(airflow, context(snapshot="2026-11-18"))["snapshot"] == "2026-11-18"


def test_the_code_is_there_before_the_run_goes_on(airflow: SimpleNamespace) -> None:
    found = resolve(airflow, context())
    prefix = found["code_uri"].removeprefix(f"s3://{BUCKET}/")
    listed = airflow.s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix)["Contents"]
    assert f"{prefix}sourcedir.tar.gz" in {item["Key"] for item in listed}
    assert found["code_sha256"] in found["code_uri"]


def test_a_past_day_without_a_snapshot_fails_at_once(airflow: SimpleNamespace) -> None:
    for wanted in (context("backfill", "2026-11-17"), context(snapshot="2026-11-17")):
        with pytest.raises(airflow.Fail, match=r"snapshot 2026-11-17 has not landed.*clear"):
            resolve(airflow, wanted)


def test_a_pretrained_model_is_found_where_the_run_has_a_parameter_for_one(
    airflow: SimpleNamespace,
) -> None:
    assert resolve(airflow, context())["pretrained_uri"] == ""
    key = f"{PIPELINE}/pretrained/small/config.json"
    airflow.s3.put_object(Bucket=BUCKET, Key=key, Body=b"{}")
    for model in ("small", f"s3://{BUCKET}/{PIPELINE}/pretrained/small"):
        wanted = context()
        wanted["params"]["pretrained"] = model
        found = resolve(airflow, wanted)["pretrained_uri"]
        assert found == f"s3://{BUCKET}/{PIPELINE}/pretrained/small/"


@pytest.mark.parametrize(
    ("model", "said"),
    [("smal", "there is no pretrained model at s3://.*/pretrained/smal/: land"), ("a b", "is no")],
)
def test_a_pretrained_model_that_is_not_there_is_said_before_any_job(
    airflow: SimpleNamespace, model: str, said: str
) -> None:
    wanted = context()
    wanted["params"]["pretrained"] = model
    with pytest.raises(airflow.Fail, match=said):
        resolve(airflow, wanted)


def test_what_is_no_date_is_said(airflow: SimpleNamespace) -> None:
    with pytest.raises(airflow.Fail, match="'2026-02-30' is not a date"):
        resolve(airflow, context(snapshot="2026-02-30"))


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"metric": "scores["}, r"parameter metric='scores\[' chooses no metric"),
        ({"metric": 3}, "parameter metric=3 chooses no metric"),
        ({}, "the run has no parameter metric"),
    ],
)
def test_a_parameter_that_chooses_no_metric_is_said_before_any_job(
    airflow: SimpleNamespace, chosen: dict[str, Any], said: str
) -> None:
    policy = (GreaterThanOrEqualTo(Metric(Parameter("metric")), 0.6),)
    operator = airflow.resolve_run.ResolveRunOperator(
        task_id="resolve_run",
        pipeline=pipeline(PIPELINE, policy=policy),
        patience=timedelta(hours=30),
    )
    night = context("scheduled", "2026-11-19")
    night["params"] |= chosen
    with pytest.raises(airflow.Fail, match=f"{said}.*Trigger the DAG anew"):
        operator.execute(night)
    night["params"]["metric"] = "scores_metrics.score"
    assert operator.execute(night)["snapshot"] == "2026-11-19"


@pytest.mark.parametrize(
    ("least", "said"),
    [
        (math.nan, "parameter least is nan, not a finite number"),
        (-math.inf, "parameter least is -inf, not a finite number"),
        (10**400, "parameter least is too large a number, not a finite number"),
        ("0.6", r'parameter least: "0\.6" is a text; ≥ compares numbers only'),
        (True, "parameter least: true is a truth value; ≥ compares numbers only"),
        (None, "parameter least is null, not a number, text or truth value"),
    ],
)
def test_a_threshold_that_no_report_can_be_judged_by_is_said_before_any_job(
    airflow: SimpleNamespace, least: Any, said: str
) -> None:
    night = context("scheduled", "2026-11-19")
    night["params"]["least"] = least
    with pytest.raises(airflow.Fail, match=f"{said}.*Trigger the DAG anew"):
        resolve(airflow, night)
    del night["params"]["least"]
    with pytest.raises(airflow.Fail, match="the run has no parameter least"):
        resolve(airflow, night)


def test_todays_snapshot_is_waited_for(airflow: SimpleNamespace) -> None:
    operator = airflow.resolve_run.ResolveRunOperator(
        task_id="resolve_run", pipeline=pipeline(PIPELINE), patience=timedelta(hours=30)
    )
    night = context("scheduled", TODAY)
    with pytest.raises(airflow.Deferred) as raised:
        operator.execute(night)
    path, arguments = raised.value.trigger.serialize()
    assert path == "retraining.runs.triggers.SnapshotTrigger"
    midnight = datetime.fromisoformat(f"{TODAY}T00:00:00+00:00")
    assert datetime.fromisoformat(arguments["deadline"]) == midnight + timedelta(hours=30)

    for name in ("a.csv", "_SUCCESS"):
        key = f"{PIPELINE}/snapshots/{TODAY}/{name}"
        airflow.s3.put_object(Bucket=BUCKET, Key=key, Body=b"tonight")
    event = first_event(airflow.resolve_run.SnapshotTrigger(**arguments))
    found = getattr(operator, raised.value.method_name)(night, event)
    assert found["snapshot"] == TODAY


def test_a_snapshot_that_does_not_come_fails_when_its_time_is_over(
    airflow: SimpleNamespace,
) -> None:
    late = datetime.now(tz=UTC) + timedelta(seconds=0.3)
    trigger = airflow.resolve_run.SnapshotTrigger(
        BUCKET, PIPELINE, "2026-11-17", deadline=late.isoformat()
    )
    event = first_event(trigger)
    assert datetime.now(tz=UTC) >= late
    operator = airflow.resolve_run.ResolveRunOperator(
        task_id="resolve_run", pipeline=pipeline(PIPELINE), patience=timedelta(hours=20)
    )
    with pytest.raises(airflow.Fail, match=r"2026-11-17 has not landed.*until 2026-11-17 20:00"):
        operator.execute_complete(context("scheduled", "2026-11-17"), event)


def test_scripts_that_are_not_there_are_not_looked_for_again(airflow: SimpleNamespace) -> None:
    night = context("scheduled", "2026-11-18")
    operator = airflow.resolve_run.ResolveRunOperator(
        task_id="resolve_run", pipeline=pipeline("nobodys"), patience=timedelta(hours=30)
    )
    key = "nobodys/snapshots/2026-11-18/"
    for name in ("a.csv", "_SUCCESS"):
        airflow.s3.put_object(Bucket=BUCKET, Key=f"{key}{name}", Body=b"x")
    with pytest.raises(airflow.Fail, match=r"no \.py file in .*nobodys; set RETRAINING_SCRIPTS"):
        operator.execute(night)


def first_event(trigger: Any) -> Any:
    async def first() -> Any:
        async for event in trigger.run():
            return event.payload
        return None

    return asyncio.run(asyncio.wait_for(first(), 60))
