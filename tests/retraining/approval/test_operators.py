"""The question's task and the answer's; that a person is really waited for is seen in Airflow."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from retraining import naming
from retraining.registry import requests, versions

from tests.retraining.declarations import pipeline

GROUP = "answered"
HEADLINE = {"metric": "regression_metrics.mse", "value": 4.9}


@pytest.fixture(scope="module")
def airflow(become_a_task: Any) -> SimpleNamespace:
    become_a_task()
    from airflow.sdk import DAG  # noqa: PLC0415
    from airflow.sdk.exceptions import (  # noqa: PLC0415
        AirflowFailException,
        AirflowSkipException,
        DownstreamTasksSkipped,
    )
    from airflow.sdk.execution_time.context import OutletEventAccessors  # noqa: PLC0415
    from retraining.approval import operators  # noqa: PLC0415
    from retraining.registry import assets  # noqa: PLC0415

    return SimpleNamespace(
        tasks=operators,
        alias=assets.approvals(GROUP),
        asset=assets.approved_models(GROUP),
        Dag=DAG,
        Events=OutletEventAccessors,
        Skip=AirflowSkipException,
        Fail=AirflowFailException,
        SkipOthers=DownstreamTasksSkipped,
    )


def register(embedded_sagemaker: Any, mark: str) -> dict[str, Any]:
    client = embedded_sagemaker.client("sagemaker")
    versions.ensure_group(client, GROUP, description="x")
    request = requests.model_package(
        pipeline=pipeline(GROUP),
        image_uri="123456789012.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4",
        model_uri="s3://answered/model.tar.gz",
        report_uri="s3://answered/evaluation.json",
        approval_status="PendingManualApproval",
        description="a model",
        metadata={versions.FINGERPRINT: mark, versions.SNAPSHOT: "2026-11-20"},
        git_commit=None,
        client_token=naming.client_token(mark),
    )
    since = datetime.now(UTC) - timedelta(hours=1)
    version = versions.register_once(client, request, since=since)
    return {
        "model_package_arn": version.arn,
        "version": version.number,
        "group": GROUP,
        "headline": HEADLINE,
    }


def ask(airflow: SimpleNamespace, registered: dict[str, Any], **changes: Any) -> None:
    task = airflow.tasks.AskForApprovalOperator(
        task_id="ask_for_approval", registered=registered, endpoint_name="nobodys"
    )
    params = {"ask_for_approval": True, "approval_hours": 24}
    run_type = changes.pop("run_type", "scheduled")
    task.execute({"params": params | changes, "dag_run": SimpleNamespace(run_type=run_type)})


def record(
    airflow: SimpleNamespace, registered: dict[str, Any], choice: str, **answered: Any
) -> tuple[str, Any]:
    events = airflow.Events()
    status = airflow.tasks.record_approval(
        registered=registered,
        answer={
            "chosen_options": [choice],
            "params_input": {"comment": "as we agreed"},
            "responded_by_user": {"id": "7", "name": "Ada"},
            "responded_at": "2026-11-21",
            **answered,
        },
        dag_run=SimpleNamespace(run_id="r"),
        outlet_events=events,
    )
    return status, events[airflow.alias].asset_alias_events


@pytest.mark.parametrize(
    ("ask_for_approval", "run_type", "is_asked"),
    [(True, "scheduled", True), (False, "scheduled", False), (True, "backfill", False)],
)
def test_no_process_is_started_for_a_question_that_is_not_asked(
    airflow: SimpleNamespace, ask_for_approval: bool, run_type: str, is_asked: bool
) -> None:
    with airflow.Dag("registers"):
        task = airflow.tasks.RegisterModelOperator(
            task_id="register_model", python_callable=lambda: {"version": 3}
        )
        airflow.tasks.AskForApprovalOperator(
            task_id="ask", registered=task.output, endpoint_name="nobodys"
        )
    pushed: dict[str, Any] = {}
    context = {
        "params": {"ask_for_approval": ask_for_approval},
        "dag_run": SimpleNamespace(run_type=run_type),
        "ti": SimpleNamespace(xcom_push=pushed.__setitem__),
        "outlet_events": airflow.Events(),
    }
    if is_asked:
        assert task.execute(context) == {"version": 3}
        assert pushed == {}
        return
    with pytest.raises(airflow.SkipOthers) as skipped:
        task.execute(context)
    assert skipped.value.tasks == ["ask"]
    assert pushed == {"return_value": {"version": 3}}


def test_nobody_is_asked_unasked_in_a_backfill_or_about_what_is_decided(
    airflow: SimpleNamespace, embedded_sagemaker: Any
) -> None:
    registered = register(embedded_sagemaker, "skipped")
    with pytest.raises(airflow.Skip, match="ask_for_approval is false"):
        ask(airflow, registered, ask_for_approval=False)
    with pytest.raises(airflow.Skip, match="backfill"):
        ask(airflow, registered, run_type="backfill")
    client = embedded_sagemaker.client("sagemaker")
    versions.reject(client, registered["model_package_arn"], reason="x")
    with pytest.raises(airflow.Skip, match="Rejected already"):
        ask(airflow, registered)


def test_without_an_answer_the_version_stays_pending(airflow: SimpleNamespace) -> None:
    task = airflow.tasks.AskForApprovalOperator(
        task_id="ask_for_approval", registered={}, endpoint_name="nobodys"
    )
    with pytest.raises(airflow.Skip, match="stays pending"):
        task.execute_complete({}, {"error": "too late", "error_type": "timeout"})
    with pytest.raises(airflow.Fail, match="out of order"):
        task.execute_complete({}, {"error": "out of order", "error_type": "unknown"})


def test_an_approval_is_written_and_announced(
    airflow: SimpleNamespace, embedded_sagemaker: Any
) -> None:
    registered = register(embedded_sagemaker, "approved")
    for _ in range(2):
        status, (event,) = record(airflow, registered, "Approve")
        assert status == "Approved"
        assert event.dest_asset_key.name == airflow.asset.name
        assert event.dest_asset_key.uri == airflow.asset.uri
        assert event.extra == {
            "model_package_arn": registered["model_package_arn"],
            "version": registered["version"],
            "snapshot": "2026-11-20",
            "headline": HEADLINE,
        }
    client = embedded_sagemaker.client("sagemaker")
    found = versions.describe(client, registered["model_package_arn"])
    assert found.approval_reason == ("Approved by Ada in Airflow, run r, 2026-11-21: as we agreed")


def test_a_version_from_before_an_upgrade_is_announced_without_a_headline(
    airflow: SimpleNamespace, embedded_sagemaker: Any
) -> None:
    registered = register(embedded_sagemaker, "before an upgrade")
    del registered["headline"]
    _, (event,) = record(airflow, registered, "Approve")
    assert event.extra["headline"] is None


def test_a_rejection_is_written_and_announced_to_nobody(
    airflow: SimpleNamespace, embedded_sagemaker: Any
) -> None:
    registered = register(embedded_sagemaker, "rejected")
    assert record(airflow, registered, "Reject") == ("Rejected", [])
    with pytest.raises(airflow.Fail, match="Rejected before Ada chose Approve"):
        record(airflow, registered, "Approve")


def test_an_answer_about_one_version_decides_nothing_about_another(
    airflow: SimpleNamespace, embedded_sagemaker: Any
) -> None:
    asked, registered = (register(embedded_sagemaker, mark) for mark in ("asked", "since"))
    about = {"asked_about": asked["model_package_arn"]}
    with pytest.raises(airflow.Fail, match=r"about .*/\d+, and the run has registered .*: clear"):
        record(airflow, registered, "Approve", **about)
    client = embedded_sagemaker.client("sagemaker")
    for one in (asked, registered):
        assert versions.describe(client, one["model_package_arn"]).approval == versions.PENDING
    assert record(airflow, asked, "Approve", **about)[0] == versions.APPROVED


def test_nobody_is_asked_about_what_was_not_registered(airflow: SimpleNamespace) -> None:
    nothing: Any = None
    with pytest.raises(airflow.Fail, match="no version was registered"):
        ask(airflow, nothing)
