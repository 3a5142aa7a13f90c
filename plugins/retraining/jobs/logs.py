"""What a job has written so far, from CloudWatch Logs."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_logs import CloudWatchLogsClient

    from retraining.jobs.kinds import JobType


def log_lines(logs: CloudWatchLogsClient, job_type: JobType, name: str) -> Iterator[str]:
    """Yield the lines that a job has written so far, of all its hosts, in the order of time.

    Lines of several hosts are marked with the host's stream.
    """
    try:
        streams = [
            stream["logStreamName"]
            for page in logs.get_paginator("describe_log_streams").paginate(
                logGroupName=job_type.log_group, logStreamNamePrefix=f"{name}/"
            )
            for stream in page["logStreams"]
        ]
    except logs.exceptions.ResourceNotFoundException:
        return
    merged = heapq.merge(
        *(_events(logs, job_type.log_group, stream=stream) for stream in streams),
        key=lambda event: event[0],
    )
    for _, stream, message in merged:
        mark = f"{stream.removeprefix(name + '/')}: " if len(streams) > 1 else ""
        yield mark + message


def _events(
    logs: CloudWatchLogsClient, group: str, *, stream: str
) -> Iterator[tuple[int, str, str]]:
    token: dict[str, Any] = {}
    while True:
        page = logs.get_log_events(
            logGroupName=group, logStreamName=stream, startFromHead=True, **token
        )
        for event in page["events"]:
            yield event["timestamp"], stream, event["message"].rstrip("\n")
        # At the end the service answers with the token that it was given.
        if page["nextForwardToken"] == token.get("nextToken"):
            return
        token = {"nextToken": page["nextForwardToken"]}
