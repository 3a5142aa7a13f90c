"""Endpoint configs: which model an endpoint serves, and on what."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from local_sagemaker.endpoints.models import find_model
from local_sagemaker.errors import RequestInvalidError, unsupported
from local_sagemaker.listing import Listing, list_page
from local_sagemaker.requests import arn
from local_sagemaker.tags import drop_tags, put_tags

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local_sagemaker.emulator import Emulator
    from local_sagemaker.requests import Request
    from local_sagemaker.store import Document, Store

CONFIG = "endpoint-config"
_MEMORY_STEP = 1024

_LISTING = Listing(
    answer="EndpointConfigs",
    name=lambda config: str(config["EndpointConfigName"]),
    default_order="Descending",
    members=("EndpointConfigName", "EndpointConfigArn", "CreationTime"),
)


def create_config(emulator: Emulator, request: Request) -> dict[str, object]:
    """Answer CreateEndpointConfig."""
    members: Any = request.members
    name = request.text("EndpointConfigName")
    config_arn = arn(request.region, CONFIG, name=name)
    store = emulator.store
    variant = _variant(members)
    with store.transaction():
        if store.get(request.region, CONFIG, name=name.lower()):
            raise RequestInvalidError(
                f'Cannot create already existing endpoint configuration "{config_arn}".'
            )
        find_model(store, request.region, variant["ModelName"])
        document = {
            "EnableNetworkIsolation": False,
            **{key: value for key, value in members.items() if key != "Tags"},
            "ProductionVariants": [{"InitialVariantWeight": 1.0, **variant}],
            "EndpointConfigArn": config_arn,
            "CreationTime": time.time(),
        }
        put_tags(store, config_arn, tags=members.get("Tags", []))
        store.put(request.region, CONFIG, name=name.lower(), document=document)
    return {"EndpointConfigArn": config_arn}


def describe_config(emulator: Emulator, request: Request) -> dict[str, object]:
    """Answer DescribeEndpointConfig."""
    return dict(find_config(emulator.store, request.region, request.text("EndpointConfigName")))


def list_configs(emulator: Emulator, request: Request) -> dict[str, object]:
    """Answer ListEndpointConfigs."""
    return list_page(_LISTING, emulator.store, kind=CONFIG, request=request)


def delete_config(emulator: Emulator, request: Request) -> dict[str, object]:
    """Answer DeleteEndpointConfig; endpoints that were made with it go on."""
    store = emulator.store
    with store.transaction():
        config = find_config(store, request.region, request.text("EndpointConfigName"))
        store.delete(request.region, CONFIG, name=str(config["EndpointConfigName"]).lower())
        drop_tags(store, str(config["EndpointConfigArn"]))
    return {}


def find_config(store: Store, region: str, name: str) -> Document:
    """Return an endpoint config.

    Raises:
        RequestInvalidError: There is none of that name.
    """
    config = store.get(region, CONFIG, name=name.lower())
    if config is None:
        missing = arn(region, CONFIG, name=name)
        raise RequestInvalidError(f'Could not find endpoint configuration "{missing}".')
    return config


def _variant(members: Mapping[str, Any]) -> Mapping[str, Any]:
    first, *others = members["ProductionVariants"]
    if others:
        raise unsupported(
            f"CreateEndpointConfig: ProductionVariants has {len(others) + 1} entries; one is"
            " emulated here."
        )
    variant: Mapping[str, Any] = first
    where = f"Production variant {variant['VariantName']}"
    if "ModelName" not in variant:
        raise unsupported(
            f"CreateEndpointConfig: {where} has no ModelName; inference components are not"
            " emulated here."
        )
    serverless = variant.get("ServerlessConfig")
    if serverless is None:
        if not ("InstanceType" in variant and "InitialInstanceCount" in variant):
            raise RequestInvalidError(
                f"{where} needs InstanceType and InitialInstanceCount, or ServerlessConfig."
            )
        return variant
    if "InstanceType" in variant or "InitialInstanceCount" in variant:
        raise RequestInvalidError(
            f"{where} cannot have both a ServerlessConfig and an InstanceType or"
            " InitialInstanceCount."
        )
    if serverless["MemorySizeInMB"] % _MEMORY_STEP:
        raise RequestInvalidError(
            f"{where}: MemorySizeInMB = {serverless['MemorySizeInMB']} must be one of 1024, 2048,"
            " 3072, 4096, 5120 and 6144."
        )
    if serverless.get("ProvisionedConcurrency", 0) > serverless["MaxConcurrency"]:
        raise RequestInvalidError(
            f"{where}: ProvisionedConcurrency = {serverless['ProvisionedConcurrency']} must be at"
            f" most MaxConcurrency = {serverless['MaxConcurrency']}."
        )
    return variant
