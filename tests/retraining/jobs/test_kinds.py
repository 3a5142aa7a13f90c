"""What is read of a job: its log, and why it ended."""

from __future__ import annotations

import contextlib
import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from retraining.jobs.kinds import PROCESSING, JobType, reason
from retraining.jobs.logs import log_lines

START = datetime(2026, 11, 20, 2, tzinfo=UTC)


def write_log(logs: Any, stream: str, lines: list[tuple[int, str]]) -> None:
    """Write a host's lines: milliseconds before now, and the text."""
    with contextlib.suppress(logs.exceptions.ResourceAlreadyExistsException):
        logs.create_log_group(logGroupName=PROCESSING.log_group)
    logs.create_log_stream(logGroupName=PROCESSING.log_group, logStreamName=stream)
    now = int(time.time() * 1000)
    for begin in range(0, len(lines), 5_000):
        logs.put_log_events(
            logGroupName=PROCESSING.log_group,
            logStreamName=stream,
            logEvents=[
                {"timestamp": now - before, "message": text}
                for before, text in lines[begin : begin + 5_000]
            ],
        )


def test_the_lines_of_all_hosts_come_in_the_order_of_time(embedded_sagemaker: Any) -> None:
    logs = embedded_sagemaker.client("logs")
    write_log(logs, "two-hosts/algo-1-1", [(9000, "first"), (5000, "third")])
    write_log(logs, "two-hosts/algo-2-1", [(7000, "second"), (3000, "fourth")])
    write_log(logs, "two-hosts-more/algo-1-1", [(6000, "of another job")])
    assert list(log_lines(logs, PROCESSING, "two-hosts")) == [
        "algo-1-1: first",
        "algo-2-1: second",
        "algo-1-1: third",
        "algo-2-1: fourth",
    ]


def test_a_long_log_is_read_to_its_end_each_line_once(embedded_sagemaker: Any) -> None:
    logs = embedded_sagemaker.client("logs")
    lines = [f"line {number}" for number in range(12_000)]
    write_log(logs, "long/algo-1-1", [(20_000 - n, line) for n, line in enumerate(lines)])
    assert list(log_lines(logs, PROCESSING, "long")) == lines


def test_a_job_without_a_log_has_no_lines(embedded_sagemaker: Any) -> None:
    logs = embedded_sagemaker.client("logs")
    assert list(log_lines(logs, PROCESSING, "silent")) == []


def kind_of(described: dict[str, Any]) -> JobType:
    (status,) = (name for name in described if name.endswith("JobStatus"))
    return JobType(status.removesuffix("JobStatus"))


@pytest.mark.parametrize("kind", ["Processing", "Training", "Transform", "HyperParameterTuning"])
def test_each_kind_of_job_is_spelled_as_the_service_spells_it(kind: str) -> None:
    """Every call of a kind exists in AWS's own model, with the members that are read."""
    job_type = JobType(kind)
    client = boto3.client(
        "sagemaker", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x"
    )
    asked: list[tuple[str, dict[str, Any]]] = []

    def answer(params: dict[str, Any], model: Any, **_: Any) -> tuple[Any, dict[str, Any]]:
        asked.append((model.name, params))
        shape = model.output_shape.members if model.output_shape else {}
        told = {name: "InProgress" for name in shape if name.endswith(("JobStatus", "JobArn"))}
        told |= {name: [{job_type.name_member: "a"}] for name in shape if "Summaries" in name}
        headers = {"date": "Fri, 20 Nov 2026 02:00:00 GMT"}
        told["ResponseMetadata"] = {"HTTPHeaders": headers}
        return SimpleNamespace(status_code=200, headers=headers), told

    client.meta.events.register("before-call.sagemaker.*", answer)
    described = job_type.describe(client, "a")
    assert described is not None
    assert job_type.status(described) == "InProgress"
    assert job_type.arn(described)
    assert [job[job_type.name_member] for job in job_type.running(client)] == ["a"]
    job_type.stop(client, "a")
    assert [name for name, _ in asked] == [
        f"Describe{kind}Job", f"List{kind}Jobs", f"Stop{kind}Job",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("described", "words"),
    [
        (
            {"ProcessingJobStatus": "Failed", "ExitMessage": "row 7", "FailureReason": "Algorithm"},
            "row 7 | Algorithm",
        ),
        (
            {"TrainingJobStatus": "Stopped"},
            "somebody stopped it, in the console or with a Stop call",
        ),
        ({"TrainingJobStatus": "Failed"}, "the service gives no reason"),
        (
            {
                "TrainingJobStatus": "Stopped",
                "SecondaryStatus": "MaxRuntimeExceeded",
                "StoppingCondition": {"MaxRuntimeInSeconds": 60},
            },
            "it ran longer than its limit of 60 s",
        ),
        (
            {
                "ProcessingJobStatus": "Stopped",
                "ProcessingStartTime": START,
                "ProcessingEndTime": START + timedelta(days=1),
            },
            "it ran longer than its limit of 86400 s",
        ),
    ],
)
def test_a_reason_is_always_given(described: dict[str, Any], words: str) -> None:
    assert reason(kind_of(described), described) == words
