"""What jobs and endpoints do as their roles, and what SageMaker says where a role may not."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from local_sagemaker.access.other_actions import log_arn
from local_sagemaker.access.s3_actions import bucket_arn
from local_sagemaker.jobs.plan import JobFailedError

if TYPE_CHECKING:
    from local_sagemaker.access.grants import LogStreams, Objects

log = logging.getLogger(__name__)


class Denied(Protocol):
    """Tells what a role may do, now."""

    def __call__(self, action: str, resource: str, /, **values: str) -> str | None:
        """Return why an action is denied, in the service's words; None if it is allowed.

        Args:
            action: Such as ``s3:GetObject``.
            resource: An ARN.
            values: Of condition keys of S3, such as ``prefix``.
        """


@dataclass(frozen=True, slots=True)
class RoleObjects:
    """S3 with the permissions of a role; see `Objects`.

    Attributes:
        s3: The buckets.
        denied: What the role may do.
    """

    s3: Objects
    denied: Denied

    def list_keys(self, bucket: str, prefix: str) -> list[str]:
        """Return the keys that begin with a prefix; needs s3:ListBucket."""
        place = f"s3://{bucket}/{prefix}"
        why = self.denied("s3:ListBucket", bucket_arn(bucket), prefix=prefix)
        _refuse(f"Data download failed:Unable to list objects under {place}", why)
        return self.s3.list_keys(bucket, prefix)

    def exists(self, bucket: str, key: str) -> bool:
        """Return whether there is an object; needs s3:GetObject."""
        self._may_read(bucket, key)
        return self.s3.exists(bucket, key)

    def read(self, bucket: str, key: str) -> bytes:
        """Return an object's bytes; needs s3:GetObject."""
        self._may_read(bucket, key)
        return self.s3.read(bucket, key)

    def put(self, bucket: str, key: str, *, content: bytes) -> None:
        """Store an object; needs s3:PutObject."""
        why = self.denied("s3:PutObject", bucket_arn(bucket, key))
        _refuse(f"Failed to upload to s3://{bucket}/{key}", why)
        self.s3.put(bucket, key, content=content)

    def delete(self, bucket: str, key: str) -> None:
        """Delete an object, if it exists; needs s3:DeleteObject."""
        why = self.denied("s3:DeleteObject", bucket_arn(bucket, key))
        _refuse(f"Failed to delete s3://{bucket}/{key}", why)
        self.s3.delete(bucket, key)

    def _may_read(self, bucket: str, key: str) -> None:
        why = self.denied("s3:GetObject", bucket_arn(bucket, key))
        _refuse(f"Data download failed:Unable to download object s3://{bucket}/{key}", why)


def _refuse(doing: str, why: str | None) -> None:
    if why:
        raise JobFailedError(f"ClientError: {doing} (AccessDenied: {why})")


@dataclass(slots=True)
class RoleLogs:
    """CloudWatch Logs with the permissions of a role; see `LogStreams`.

    As on the service, a job whose role may not write its log runs on without one.

    Attributes:
        logs: The streams.
        denied: What the role may do.
        arn: The job's, for this server's own log.
    """

    logs: LogStreams
    denied: Denied
    arn: str
    _told: set[str] = field(default_factory=set)

    def has_group(self, region: str, group: str) -> bool:
        """Return whether there is such a log group."""
        return self.logs.has_group(region, group)

    def write(self, region: str, stream: tuple[str, str], *, lines: list[tuple[int, str]]) -> None:
        """Append lines to a stream, if the role may."""
        group, name = stream
        new = {"logs:CreateLogGroup": log_arn(region, group, "")}
        needed = {
            **({} if self.logs.has_group(region, group) else new),
            "logs:CreateLogStream": log_arn(region, group, name),
            "logs:PutLogEvents": log_arn(region, group, name),
        }
        for action, resource in needed.items():
            if why := self.denied(action, resource):
                if action not in self._told:
                    log.warning("%s has no log: %s", self.arn, why)
                self._told.add(action)
                return
        self.logs.write(region, stream, lines=lines)
