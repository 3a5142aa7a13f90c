"""Pure builders of the requests that make an endpoint: model, endpoint config, their names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from retraining import naming

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from retraining.registry.versions import Version

VARIANT = "AllTraffic"


@dataclass(frozen=True, slots=True)
class Size:
    """What an endpoint runs on.

    Attributes:
        memory_size_mb: Of a serverless endpoint, 1024 to 6144 in steps of 1024.
        max_concurrency: So many requests at once a serverless endpoint takes, 1 to 200.
        instance_type: Such as ``ml.m5.large``; "" for a serverless endpoint.
    """

    memory_size_mb: int
    max_concurrency: int
    instance_type: str

    def members(self) -> dict[str, Any]:
        """Return the members of a production variant that say so."""
        if self.instance_type:
            return {"InstanceType": self.instance_type, "InitialInstanceCount": 1}
        return {
            "ServerlessConfig": {
                "MemorySizeInMB": self.memory_size_mb,
                "MaxConcurrency": self.max_concurrency,
            }
        }


def model_name(
    endpoint: str,
    number: int,
    *,
    arn: str,
    containers: Sequence[Mapping[str, Any]],
    role_arn: str,
) -> str:
    """Name the model of a version: a version whose container was changed is another model."""
    identity = [arn, list(containers), role_arn]
    return naming.deployment_name(endpoint, number, identity=identity)


def config_name(endpoint: str, number: int, *, model_name: str, size: Size) -> str:
    """Name the endpoint config for a model and a size."""
    return naming.deployment_name(endpoint, number, identity=[model_name, size.members()])


@dataclass(frozen=True, slots=True)
class Names:
    """What a version's model and endpoint config are called; whatever is called so is that.

    Attributes:
        model: The model.
        config: The endpoint config.
    """

    model: str
    config: str


def names_of(version: Version, *, endpoint: str, size: Size, role_arn: str) -> Names:
    """Name the model and the endpoint config of a version for an endpoint."""
    model = model_name(
        endpoint, version.number, arn=version.arn, containers=version.containers, role_arn=role_arn
    )
    return Names(model, config_name(endpoint, version.number, model_name=model, size=size))


def model(name: str, arn: str, *, role_arn: str) -> dict[str, Any]:
    """Build a CreateModel request that takes all it needs from a registered version."""
    return {
        "ModelName": name,
        "PrimaryContainer": {"ModelPackageName": arn},
        "ExecutionRoleArn": role_arn,
    }


def model_of_container(name: str, container: Mapping[str, Any], *, role_arn: str) -> dict[str, Any]:
    """Build a CreateModel request from a container of a version's inference specification."""
    kept = {
        key: container[key]
        for key in ("Image", "ModelDataUrl", "ModelDataSource", "Environment")
        if key in container
    }
    return {"ModelName": name, "PrimaryContainer": kept, "ExecutionRoleArn": role_arn}


def endpoint_config(name: str, model_name: str, *, size: Size) -> dict[str, Any]:
    """Build a CreateEndpointConfig request with one variant that takes all traffic."""
    variant = {"VariantName": VARIANT, "ModelName": model_name, **size.members()}
    return {"EndpointConfigName": name, "ProductionVariants": [variant]}
