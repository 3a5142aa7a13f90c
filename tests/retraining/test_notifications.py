"""Notifications are sent for real: SNS is moto's, which hands them on to a queue."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from airflow.sdk import DAG
from airflow.serialization.serialized_objects import DagSerialization
from moto.server import ThreadedMotoServer
from retraining import notifications

if TYPE_CHECKING:
    from collections.abc import Iterator

TOPIC = "arn:aws:sns:us-east-1:123456789012:models"


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Returns the notifications that have been published so far."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AIRFLOW_CONN_AWS_DEFAULT": '{"conn_type": "aws"}',
        notifications.SNS: TOPIC,
    }.items():
        monkeypatch.setenv(name, value)
    sns, sqs = boto3.client("sns"), boto3.client("sqs")
    sns.create_topic(Name="models")
    url = sqs.create_queue(QueueName="seen")["QueueUrl"]
    sns.subscribe(
        TopicArn=TOPIC, Protocol="sqs", Endpoint="arn:aws:sqs:us-east-1:123456789012:seen"
    )

    def received() -> list[Any]:
        messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        return [json.loads(message["Body"]) for message in messages]

    yield received
    server.stop()


def context() -> dict[str, Any]:
    ti = SimpleNamespace(
        dag_id="houses_retraining", task_id="train", try_number=2, log_url="http://127.0.0.1/log"
    )
    return {"ti": ti, "run_id": "manual__1", "exception": ValueError("r2 is <not> a number")}


def test_a_failure_is_published_with_its_reason(queue: Any) -> None:
    (notifier,) = notifications.failure_callbacks()
    notifier(context())
    (message,) = queue()
    assert message["Subject"] == "houses_retraining: train failed"
    assert "run manual__1, failed at attempt 2" in message["Message"]
    assert "r2 is <not> a number" in message["Message"]
    assert message["Message"].endswith("http://127.0.0.1/log")


def test_what_serves_though_it_was_rejected_is_published(queue: Any) -> None:
    said = (
        "version 1 serves though it is Rejected (by {{ ute }}: <bias>); version 2 takes its place"
    )
    notifications.tell_alarm(said, ti=context()["ti"], run_id="manual__1")
    (message,) = queue()
    assert message["Subject"] == "houses_retraining: what serves was rejected"
    assert "run manual__1, found this" in message["Message"]
    assert said in message["Message"]


def test_a_late_run_is_published(queue: Any) -> None:
    late = {
        "dag_run": {"dag_id": "houses_retraining", "dag_run_id": "scheduled__1"},
        "deadline": {"deadline_time": "2026-11-20 06:00"},
    }
    asyncio.run(notifications.tell_late(context=late))
    (message,) = queue()
    assert message["Subject"] == "houses_retraining is late"
    assert message["Message"] == (
        "houses_retraining, run scheduled__1, is not over by 2026-11-20 06:00."
    )


DUE = datetime(2026, 11, 20, 8, 4, tzinfo=UTC)


@pytest.mark.parametrize(
    "due", [DUE, "2026-11-20T08:04:00Z", "2026-11-20 08:04:00", DUE.isoformat()]
)
@pytest.mark.parametrize(
    ("end", "is_told"),
    [
        ("2026-11-20T07:04:00Z", False),
        ("2026-11-20T08:04:00.000000Z", False),
        ("2026-11-20T09:04:00+02:00", False),
        ("2026-11-20T08:04:00.000001Z", True),
        ("2026-11-20T09:04:00Z", True),
        (None, True),
        ("?", True),
    ],
)
def test_a_run_that_ended_before_its_deadline_is_not_late(
    monkeypatch: pytest.MonkeyPatch, due: object, end: str | None, *, is_told: bool
) -> None:
    told: list[object] = []
    monkeypatch.setattr(notifications, "late_notifiers", lambda: told.append(1) or [])
    run = {"dag_id": "houses_retraining", "state": "failed", "end_date": end}
    asyncio.run(
        notifications.tell_late(context={"dag_run": run, "deadline": {"deadline_time": due}})
    )
    assert bool(told) is is_told


def test_a_dag_takes_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(notifications.HOURS, "1.5")
    with DAG("late", schedule=None, deadline=notifications.deadline()) as dag:
        pass
    (alert,) = DagSerialization.to_dict(dag)["dag"]["deadline"]
    assert "5400" in json.dumps(alert)
    assert "retraining.notifications.tell_late" in json.dumps(alert)


def test_without_hours_no_run_is_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(notifications.HOURS, raising=False)
    assert notifications.deadline() is None


@pytest.mark.parametrize("text", ["0", "-1", "x", "nan", "inf"])
def test_a_deadline_that_is_none_says_so(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(notifications.HOURS, text)
    with pytest.raises(notifications.NotificationError, match=notifications.HOURS):
        notifications.deadline()


def test_nobody_is_told_unless_the_settings_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (notifications.SNS, notifications.MAIL, notifications.SLACK):
        monkeypatch.setenv(name, "")
    assert notifications.failure_callbacks() == []


def test_mail_goes_to_each_address_and_has_no_markup_of_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(notifications.MAIL, "a@example.com, b@example.com")
    (notifier,) = notifications.failure_callbacks()
    assert notifier.to == ["a@example.com", "b@example.com"]
    notifier.render_template_fields(context())
    assert notifier.subject == "houses_retraining: train failed"
    assert "r2 is &lt;not&gt; a number" in notifier.html_content


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        (notifications.SNS, "models", "is not the ARN of an SNS topic"),
        (notifications.MAIL, "a@example.com,b", "no address"),
        (notifications.SLACK, "#models", "apache-airflow-providers-slack"),
    ],
)
def test_a_setting_that_cannot_be_used_says_so(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(notifications.NotificationError, match=f"{name}.*{said}"):
        notifications.failure_callbacks()
