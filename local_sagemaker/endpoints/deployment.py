"""What a container is to run, for an endpoint as it was when it was asked for."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from local_sagemaker.requests import arn

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local_sagemaker.store import Document

ENDPOINT = "endpoint"


class StartFailedError(Exception):
    """A container did not come up; the text is a FailureReason."""


class Hosted(Protocol):
    """A model that a container serves, and for whom it does."""

    @property
    def region(self) -> str:
        """Where it is served."""

    @property
    def name(self) -> str:
        """The endpoint's or the job's."""

    @property
    def arn(self) -> str:
        """The endpoint's or the job's."""

    @property
    def container(self) -> Mapping[str, Any]:
        """See `Deployment`."""

    @property
    def role(self) -> str:
        """The model's role, for messages."""

    @property
    def serverless(self) -> Mapping[str, int] | None:
        """None for instances."""

    @property
    def log_group(self) -> str:
        """Where CloudWatch Logs has the container's output."""

    @property
    def unhealthy(self) -> str:
        """The reason of the failure if the container does not answer a ping."""

    def new_stream(self) -> str:
        """Name a log stream for a new container."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """One endpoint config with its model, resolved; later deletions do not reach it.

    Attributes:
        region: Of the endpoint.
        endpoint: The endpoint's name.
        config: The endpoint config's name.
        variant: The production variant, as CreateEndpointConfig took it.
        container: ``Image``, ``Environment`` and one of ``ModelDataUrl`` and ``ModelDataSource``,
            or neither.
        role: The model's role, for messages.
    """

    region: str
    endpoint: str
    config: str
    variant: Mapping[str, Any]
    container: Mapping[str, Any]
    role: str

    @property
    def name(self) -> str:
        """The endpoint's name."""
        return self.endpoint

    @property
    def arn(self) -> str:
        """The endpoint's ARN."""
        return arn(self.region, ENDPOINT, name=self.endpoint)

    @property
    def variant_name(self) -> str:
        """The production variant's name."""
        return str(self.variant["VariantName"])

    @property
    def serverless(self) -> Mapping[str, int] | None:
        """The variant's ServerlessConfig; None for instances."""
        return self.variant.get("ServerlessConfig")

    @property
    def log_group(self) -> str:
        """Where CloudWatch Logs has the container's output."""
        return f"/aws/sagemaker/Endpoints/{self.endpoint}"

    @property
    def unhealthy(self) -> str:
        """The reason of the failure if the container does not answer a ping."""
        return (
            f"The primary container for production variant {self.variant_name} did not pass the"
            " ping health check. Please check CloudWatch logs for this endpoint."
        )

    def new_stream(self) -> str:
        """Name a log stream for a new container."""
        kind = uuid.uuid4().hex if self.serverless else new_instance()
        return f"{self.variant_name}/{kind}"

    def document(self) -> Document:
        """Return the deployment for the store."""
        return {
            "Region": self.region,
            "Endpoint": self.endpoint,
            "Config": self.config,
            "Variant": dict(self.variant),
            "Container": dict(self.container),
            "Role": self.role,
        }


def new_instance() -> str:
    """Make up the name of an instance."""
    return f"i-{uuid.uuid4().hex[:17]}"


def read_deployment(document: Any) -> Deployment:
    """Return what `Deployment.document` gave to the store."""
    return Deployment(
        region=document["Region"],
        endpoint=document["Endpoint"],
        config=document["Config"],
        variant=document["Variant"],
        container=document["Container"],
        role=document["Role"],
    )
