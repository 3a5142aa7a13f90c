"""Create, Update, Describe, List and Delete for endpoints."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from local_sagemaker.endpoints.configs import find_config
from local_sagemaker.endpoints.deployment import ENDPOINT, Deployment, read_deployment
from local_sagemaker.endpoints.models import find_model, resolved_container
from local_sagemaker.errors import RequestInvalidError
from local_sagemaker.listing import Listing, list_page
from local_sagemaker.requests import arn
from local_sagemaker.tags import put_tags

if TYPE_CHECKING:
    from local_sagemaker.emulator import Emulator
    from local_sagemaker.requests import Request
    from local_sagemaker.store import Document, Store

# Of an endpoint's document, what clients see otherwise or not at all.
_INTERNAL = ("Serving", "Pending")
_SETTLED = ("InService", "Failed")

_LISTING = Listing(
    answer="Endpoints",
    name=lambda endpoint: str(endpoint["EndpointName"]),
    default_order="Descending",
    members=("EndpointName", "EndpointArn", "CreationTime", "LastModifiedTime", "EndpointStatus"),
)


def create_endpoint(emulator: Emulator, request: Request) -> dict[str, object]:
    """Answer CreateEndpoint; the endpoint is Creating when this returns."""
    members: Any = request.members
    name = request.text("EndpointName")
    endpoint_arn = arn(request.region, ENDPOINT, name=name)
    store = emulator.store
    with store.transaction():
        if store.get(request.region, ENDPOINT, name=name.lower()):
            raise RequestInvalidError(f'Cannot create already existing endpoint "{endpoint_arn}".')
        pending = _resolve(store, request, name=name)
        now = time.time()
        put_tags(store, endpoint_arn, tags=members.get("Tags", []))
        document = {
            "EndpointName": name,
            "EndpointArn": endpoint_arn,
            "EndpointConfigName": pending.config,
            "EndpointStatus": "Creating",
            "CreationTime": now,
            "LastModifiedTime": now,
            "Pending": pending.document(),
        }
        store.put(request.region, ENDPOINT, name=name.lower(), document=document)
    emulator.hosting.deploy(request.region, name)
    return {"EndpointArn": endpoint_arn}


def update_endpoint(emulator: Emulator, request: Request) -> dict[str, object]:
    """Answer UpdateEndpoint; the endpoint is Updating when this returns, and serves on."""
    store = emulator.store
    with store.transaction():
        endpoint = _find_settled(store, request)
        name, endpoint_arn = str(endpoint["EndpointName"]), str(endpoint["EndpointArn"])
        if endpoint["EndpointStatus"] == "Failed":
            raise RequestInvalidError(
                f'Cannot update failed endpoint "{endpoint_arn}". Delete it and create it anew.'
            )
        # The service looks at the config that serves now, too.
        find_config(store, request.region, str(endpoint["EndpointConfigName"]))
        document = {
            **endpoint,
            "EndpointStatus": "Updating",
            "LastModifiedTime": time.time(),
            "Pending": _resolve(store, request, name=name).document(),
        }
        store.put(request.region, ENDPOINT, name=name.lower(), document=document)
    emulator.hosting.deploy(request.region, name)
    return {"EndpointArn": endpoint_arn}


def describe_endpoint(emulator: Emulator, request: Request) -> dict[str, object]:
    """Answer DescribeEndpoint."""
    return described_endpoint(_find(emulator.store, request))


def described_endpoint(endpoint: Document) -> dict[str, object]:
    """Return what clients see of an endpoint's document."""
    described = {key: value for key, value in endpoint.items() if key not in _INTERNAL}
    if "Serving" in endpoint:
        described["ProductionVariants"] = [_summary(endpoint, "Serving")]
    if "Pending" in endpoint:
        described["PendingDeploymentSummary"] = {
            "EndpointConfigName": read_deployment(endpoint["Pending"]).config,
            "ProductionVariants": [_summary(endpoint, "Pending")],
            "StartTime": endpoint["LastModifiedTime"],
        }
    return described


def list_endpoints(emulator: Emulator, request: Request) -> dict[str, object]:
    """Answer ListEndpoints."""
    return list_page(_LISTING, emulator.store, kind=ENDPOINT, request=request)


def delete_endpoint(emulator: Emulator, request: Request) -> dict[str, object]:
    """Answer DeleteEndpoint; the endpoint is Deleting when this returns."""
    store = emulator.store
    with store.transaction():
        endpoint = _find_settled(store, request)
        name = str(endpoint["EndpointName"])
        document = {**endpoint, "EndpointStatus": "Deleting", "LastModifiedTime": time.time()}
        store.put(request.region, ENDPOINT, name=name.lower(), document=document)
    emulator.hosting.delete(request.region, name)
    return {}


def _find(store: Store, request: Request) -> Document:
    name = request.text("EndpointName")
    endpoint = store.get(request.region, ENDPOINT, name=name.lower())
    if endpoint is None:
        missing = arn(request.region, ENDPOINT, name=name)
        raise RequestInvalidError(f'Could not find endpoint "{missing}".')
    return endpoint


def _find_settled(store: Store, request: Request) -> Document:
    endpoint = _find(store, request)
    if endpoint["EndpointStatus"] not in _SETTLED:
        raise RequestInvalidError(
            f'Cannot update in-progress endpoint "{endpoint["EndpointArn"]}".'
        )
    return endpoint


def _resolve(store: Store, request: Request, *, name: str) -> Deployment:
    config: Any = find_config(store, request.region, request.text("EndpointConfigName"))
    (variant,) = config["ProductionVariants"]
    model = find_model(store, request.region, variant["ModelName"])
    return Deployment(
        region=request.region,
        endpoint=name,
        config=config["EndpointConfigName"],
        variant=variant,
        container=resolved_container(model),
        role=str(model.get("ExecutionRoleArn", "")),
    )


def _summary(endpoint: Document, which: str) -> dict[str, object]:
    deployment = read_deployment(endpoint[which])
    image = deployment.container["Image"]
    weight = deployment.variant["InitialVariantWeight"]
    summary: dict[str, object] = {
        "VariantName": deployment.variant_name,
        "DeployedImages": [
            {
                "SpecifiedImage": image,
                "ResolvedImage": image,
                "ResolutionTime": endpoint["LastModifiedTime"],
            }
        ],
        "CurrentWeight": weight,
        "DesiredWeight": weight,
    }
    if serverless := deployment.serverless:
        return {
            **summary,
            "CurrentInstanceCount": 0,
            "CurrentServerlessConfig": serverless,
            "DesiredServerlessConfig": serverless,
        }
    count = deployment.variant["InitialInstanceCount"]
    return {**summary, "CurrentInstanceCount": count, "DesiredInstanceCount": count}
