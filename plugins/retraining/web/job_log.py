"""The end of a job's log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from retraining.aws.errors import is_missing
from retraining.jobs.kinds import JobType

if TYPE_CHECKING:
    from collections.abc import Mapping

_LINES = 200
_STREAMS = 5


def tail(logs: Any, kind: str, name: str) -> list[Mapping[str, str]]:
    """Return the last lines of each of a job's log streams: ``stream`` and ``text``.

    Args:
        logs: A CloudWatch Logs client.
        kind: ``Processing`` or ``Training``.
        name: The job.
    """
    group = JobType(kind).log_group
    try:
        streams = logs.describe_log_streams(
            logGroupName=group, logStreamNamePrefix=f"{name}/", limit=_STREAMS
        )["logStreams"]
        return [
            {
                "stream": stream["logStreamName"],
                "text": "\n".join(
                    event["message"].rstrip("\n")
                    for event in logs.get_log_events(
                        logGroupName=group,
                        logStreamName=stream["logStreamName"],
                        startFromHead=False,
                        limit=_LINES,
                    )["events"]
                ),
            }
            for stream in streams
        ]
    except ClientError as error:
        if is_missing(error):
            return []
        raise
