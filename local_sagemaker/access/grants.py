"""What the server's parts ask of access control, and the answers where there is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from _typeshed.wsgi import WSGIEnvironment
    from werkzeug.wrappers import Response

    from local_sagemaker.requests import Request

_JOB = "embedded-sagemaker-job"


class Objects(Protocol):
    """S3 as a job sees it; see `S3State`."""

    def list_keys(self, bucket: str, prefix: str) -> list[str]:
        """Return the keys that begin with a prefix, sorted."""

    def exists(self, bucket: str, key: str) -> bool:
        """Return whether there is such an object."""

    def read(self, bucket: str, key: str) -> bytes:
        """Return an object's bytes."""

    def put(self, bucket: str, key: str, *, content: bytes) -> None:
        """Store an object."""

    def delete(self, bucket: str, key: str) -> None:
        """Delete an object, if it exists."""


class LogStreams(Protocol):
    """CloudWatch Logs as a job sees it; see `JobLogs`."""

    def has_group(self, region: str, group: str) -> bool:
        """Return whether there is such a log group."""

    def write(self, region: str, stream: tuple[str, str], *, lines: list[tuple[int, str]]) -> None:
        """Append lines to a stream."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What a role may do for a job or an endpoint.

    Attributes:
        s3: The buckets.
        logs: Where output goes to.
        credentials: The variables with which a container's own clients call.
    """

    s3: Objects
    logs: LogStreams
    credentials: Mapping[str, str]


class Permit(Protocol):
    """A caller whose request may be looked at."""

    def check(self, request: Request) -> None:
        """Refuse a request to SageMaker that the caller may not make.

        Raises:
            ServiceError: AccessDeniedException; ValidationException, a role cannot be assumed.
        """

    def answer(self) -> Response | None:
        """Return the answer to a request that access control itself answers, else None.

        Raises:
            ServiceError: The caller may not make it.
        """


class Access(Protocol):
    """Who may do what."""

    @property
    def root_keys(self) -> tuple[str, str]:
        """An access key, and its secret, that may do everything."""

    def admit(self, environ: WSGIEnvironment, body: bytes, *, region: str, service: str) -> Permit:
        """Find out who calls.

        Raises:
            ServiceError: Nobody whom this server knows.
        """

    def grant(self, role: str, *, region: str, arn: str) -> Grant:
        """Return what a role may do for the job or endpoint of an ARN."""

    def simulate(
        self, principal: str, action: str, *, resource: str, values: Mapping[str, tuple[str, ...]]
    ) -> str:
        """Return IAM's decision on what a user or a role might ask.

        Args:
            principal: Its ARN.
            action: Such as ``s3:GetObject``.
            resource: An ARN, or ``*``.
            values: Of condition keys.

        Raises:
            ServiceError: NoSuchEntity.
        """


class _AnyCaller:
    """Who is not looked at."""

    def check(self, request: Request) -> None:
        """Let it pass."""

    def answer(self) -> Response | None:
        """Leave it to the service."""
        return None


@dataclass(frozen=True, slots=True)
class OpenAccess:
    """Everybody may do everything.

    Attributes:
        s3: The buckets.
        logs: Where output goes to.
    """

    s3: Objects
    logs: LogStreams

    @property
    def root_keys(self) -> tuple[str, str]:
        """Words, as any will do."""
        return "local", "local"

    def admit(
        self,
        environ: WSGIEnvironment,  # noqa: ARG002 -- its name
        body: bytes,  # noqa: ARG002
        *,
        region: str,  # noqa: ARG002
        service: str,  # noqa: ARG002
    ) -> Permit:
        """Let anybody in."""
        return _AnyCaller()

    def grant(self, role: str, *, region: str, arn: str) -> Grant:  # noqa: ARG002 -- their names
        """Return all that there is."""
        credentials = {"AWS_ACCESS_KEY_ID": _JOB, "AWS_SECRET_ACCESS_KEY": _JOB}
        return Grant(self.s3, self.logs, credentials)

    def simulate(
        self,
        principal: str,  # noqa: ARG002
        action: str,  # noqa: ARG002
        *,
        resource: str,  # noqa: ARG002
        values: Mapping[str, tuple[str, ...]],  # noqa: ARG002
    ) -> str:
        """Allow it, as no call is refused."""
        return "allowed"
