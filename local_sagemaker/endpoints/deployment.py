"""What an endpoint is to run, as it was when it was asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from local_sagemaker.requests import arn

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local_sagemaker.store import Document

ENDPOINT = "endpoint"


class StartFailedError(Exception):
    """A container did not come up; the text is a FailureReason."""


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
