"""A run of the DAG that is late, or that fails, is told to people: SNS is moto's, mail is ours."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto.server import ThreadedMotoServer
from retraining import naming

from local_stack.samples import landing as snapshot
from local_stack.samples.nights import sample_csv
from local_stack.services.environment import BUCKET, REGION
from tests.web.conftest import wait_until
from tests.web.mailbox import Mail, Mailbox, mailbox
from tests.web.stack import DAG, PIPELINE, Stack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(500)]

TOPIC = f"arn:aws:sns:{REGION}:123456789012:models"
PEOPLE = ("ada@example.org", "otto@example.org")
# Of the job over this file: the first of its columns is called otherwise.
BAD, BAD_REASON = "bad.csv", "bad.csv: line 1, the header, lacks column MedInc"
REJECTED, BROKEN = "manual__rejected", "manual__broken"
HOURS = 0.0005


@dataclass(slots=True)
class Told:
    """What people have been told.

    Attributes:
        published: Takes the messages out of the queue that has subscribed to the topic.
        box: The mails.
    """

    published: Callable[[], list[dict[str, str]]]
    box: Mailbox

    def mails(self, run_id: str, subject: str) -> list[Mail]:
        return [mail for mail in self.box.mails if mail.subject == subject and run_id in mail.text]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """Two runs, late after 1.8 s: one fails by its job, one by the gate's verdict."""
    folder = tmp_path_factory.mktemp("told")
    sns = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    sns.start()
    host, port = sns.get_host_and_port()
    address = f"http://{host}:{port}"
    try:
        with mailbox() as box:
            smtp = {
                "conn_type": "smtp",
                "host": "127.0.0.1",
                "port": box.port,
                "extra": {
                    "disable_ssl": True, "disable_tls": True, "from_email": "airflow@example.org",
                },
            }  # fmt: skip
            variables = {
                "AWS_ENDPOINT_URL_SNS": address,
                "AIRFLOW_CONN_SMTP_DEFAULT": json.dumps(smtp),
                "RETRAINING_NOTIFY_SNS": TOPIC,
                "RETRAINING_NOTIFY_MAIL": ", ".join(PEOPLE),
                "RETRAINING_DEADLINE_HOURS": str(HOURS),
            }
            with Stack(folder, variables=variables) as stack:
                published = _subscribed(address)
                _run(stack, folder)
                yield Told(published, box)
    finally:
        sns.stop()


def _subscribed(address: str) -> Callable[[], list[dict[str, str]]]:
    def client(service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=address,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    client("sns").create_topic(Name="models")
    sqs = client("sqs")
    url = sqs.create_queue(QueueName="seen")["QueueUrl"]
    client("sns").subscribe(
        TopicArn=TOPIC, Protocol="sqs", Endpoint=f"arn:aws:sqs:{REGION}:123456789012:seen"
    )
    seen: list[dict[str, str]] = []

    def published() -> list[dict[str, str]]:
        while found := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for message in found:
                seen.append(json.loads(message["Body"]))
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return seen

    return published


def _run(stack: Stack, folder: Path) -> None:
    s3 = stack.client("s3")
    bad = folder / BAD
    bad.write_bytes(sample_csv().read_bytes().replace(b"MedInc", b"median_income", 1))
    today = datetime.now(UTC).date()
    for run_id, file, days, conf in (
        (BROKEN, bad, 3, {}),
        (REJECTED, sample_csv(), 4, {"r2_threshold": 0.99, "when_rejected": "fail"}),
    ):
        day = (today - timedelta(days=days)).isoformat()
        snapshot.land(s3, naming.snapshot_uri(BUCKET, PIPELINE, day), {file.name: file})
        answer = stack.ask(
            f"/api/v2/dags/{DAG}/dagRuns",
            method="POST",
            body={"dag_run_id": run_id, "logical_date": None, "conf": {**conf, "snapshot": day}},
        )
        assert answer.status == 200, answer.body
    stack.start_runs()


def published(told: Told, run_id: str, subject: str) -> str:
    """Return the message of a run under a subject, once it has come."""

    def found() -> list[str]:
        return [
            item["Message"]
            for item in told.published()
            if item.get("Subject") == subject and run_id in item["Message"]
        ]

    wait_until(found, seconds=120)
    return found()[0]


@pytest.mark.parametrize("run_id", [BROKEN, REJECTED])
def test_a_run_that_is_late_is_told(told: Told, run_id: str) -> None:
    subject = f"{DAG} is late"
    message = published(told, run_id, subject)
    assert re.fullmatch(
        rf"{DAG}, run {run_id}, is not over by 20\d\d-\d\d-\d\d \d\d:\d\d.*\.", message
    )
    wait_until(lambda: told.mails(run_id, subject))
    (mail,) = told.mails(run_id, subject)
    assert mail.to == PEOPLE
    assert message in mail.text


@pytest.mark.parametrize(
    ("run_id", "task", "reason"),
    [
        (BROKEN, "preprocess", BAD_REASON),
        (REJECTED, "reject_model", r"r2_score = 0\.7\d+ is not ≥ 0\.99"),
    ],
)
def test_a_task_that_fails_is_told_with_the_reason(
    told: Told, run_id: str, task: str, reason: str
) -> None:
    subject = f"{DAG}: {task} failed"
    message = published(told, run_id, subject)
    assert f"run {run_id}, failed at attempt 1" in message
    assert re.search(reason, message), message
    assert f"/dags/{DAG}/runs/{run_id}/tasks/{task}" in message
    wait_until(lambda: told.mails(run_id, subject))
    (mail,) = told.mails(run_id, subject)
    assert mail.to == PEOPLE
    assert re.search(reason, mail.text.replace("&#39;", "'")), mail.text
