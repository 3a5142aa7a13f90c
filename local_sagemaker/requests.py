"""What a handler needs to know about the request that it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from local_sagemaker import ACCOUNT

Members = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Request:
    """A validated request.

    Attributes:
        operation: Such as ``CreateTrainingJob``.
        region: The region that the request was signed for.
        members: What the caller sent, validated against the service model.
    """

    operation: str
    region: str
    members: Members

    def text(self, name: str) -> str:
        """Return a member that is a string and that the model requires."""
        return str(self.members[name])


def arn(region: str, kind: str, *, name: str) -> str:
    """Return a resource's ARN; the service writes names in lower case there."""
    return f"arn:aws:sagemaker:{region}:{ACCOUNT}:{kind}/{name.lower()}"
