"""Models: an image, a model's data and an environment under a name."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from local_sagemaker.endpoints.model_data import check_model_data
from local_sagemaker.errors import RequestInvalidError, unsupported
from local_sagemaker.images import find_environment
from local_sagemaker.listing import Listing, list_page
from local_sagemaker.model_packages import find_package
from local_sagemaker.requests import arn
from local_sagemaker.tags import drop_tags, put_tags

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local_sagemaker.emulator import Emulator
    from local_sagemaker.requests import Request
    from local_sagemaker.store import Document, Store

MODEL = "model"
# What an endpoint needs of a container; kept with the model, not told to clients.
_RESOLVED = "Resolved"
_DATA = ("ModelDataUrl", "ModelDataSource")

_LISTING = Listing(
    answer="Models",
    name=lambda model: str(model["ModelName"]),
    default_order="Descending",
    members=("ModelName", "ModelArn", "CreationTime"),
)


def create_model(emulator: Emulator, request: Request) -> dict[str, object]:
    """Answer CreateModel; a package is resolved now, and must be approved now."""
    members: Any = request.members
    name = request.text("ModelName")
    model_arn = arn(request.region, MODEL, name=name)
    store = emulator.store
    given = _container(members)
    # Before the transaction: whoever holds the buckets' lock may wait for the store's.
    role = str(members.get("ExecutionRoleArn", ""))
    grant = emulator.access.grant(role, region=request.region, arn=model_arn)
    check_model_data(given, grant.s3, role=role, region=request.region)
    # A package that is rejected meanwhile must not slip through.
    with store.transaction():
        if store.get(request.region, MODEL, name=name.lower()):
            raise RequestInvalidError(f'Cannot create already existing model "{model_arn}".')
        resolved = _resolve(store, given, region=request.region)
        find_environment(resolved["Image"], emulator.images)
        document = {
            "EnableNetworkIsolation": False,
            **{key: value for key, value in members.items() if key != "Tags"},
            "ModelArn": model_arn,
            "CreationTime": time.time(),
            _RESOLVED: resolved,
        }
        shown = {"Mode": "SingleModel", "Environment": {}, **given}
        if "PrimaryContainer" in members:
            document["PrimaryContainer"] = shown
        else:
            document["Containers"] = [shown]
        put_tags(store, model_arn, tags=members.get("Tags", []))
        store.put(request.region, MODEL, name=name.lower(), document=document)
    return {"ModelArn": model_arn}


def describe_model(emulator: Emulator, request: Request) -> dict[str, object]:
    """Answer DescribeModel."""
    model = find_model(emulator.store, request.region, request.text("ModelName"))
    return {key: value for key, value in model.items() if key != _RESOLVED}


def list_models(emulator: Emulator, request: Request) -> dict[str, object]:
    """Answer ListModels."""
    return list_page(_LISTING, emulator.store, kind=MODEL, request=request)


def delete_model(emulator: Emulator, request: Request) -> dict[str, object]:
    """Answer DeleteModel; endpoints that run it go on."""
    store = emulator.store
    with store.transaction():
        model = find_model(store, request.region, request.text("ModelName"))
        store.delete(request.region, MODEL, name=str(model["ModelName"]).lower())
        drop_tags(store, str(model["ModelArn"]))
    return {}


def find_model(store: Store, region: str, name: str) -> Document:
    """Return a model.

    Raises:
        RequestInvalidError: There is none of that name.
    """
    model = store.get(region, MODEL, name=name.lower())
    if model is None:
        raise RequestInvalidError(f'Could not find model "{arn(region, MODEL, name=name)}".')
    return model


def resolved_container(model: Document) -> Mapping[str, Any]:
    """Return what an endpoint runs of a model: image, model data and environment."""
    resolved: Any = model[_RESOLVED]
    return resolved  # type: ignore[no-any-return]  # of this module's own making


def _container(members: Mapping[str, Any]) -> Mapping[str, Any]:
    containers = members.get("Containers", [])
    if ("PrimaryContainer" in members) == bool(containers):
        raise RequestInvalidError(
            "Either PrimaryContainer or Containers must be given, and not both."
        )
    if len(containers) > 1:
        raise unsupported(
            f"CreateModel: Containers has {len(containers)} entries; a model of one container is"
            " emulated here."
        )
    container: Mapping[str, Any] = containers[0] if containers else members["PrimaryContainer"]
    if len(set(_DATA) & set(container)) > 1:
        raise RequestInvalidError("Only one of ModelDataUrl and ModelDataSource may be given.")
    return container


def _resolve(store: Store, given: Mapping[str, Any], *, region: str) -> dict[str, Any]:
    if "ModelPackageName" in given:
        if clashing := [member for member in ("Image", *_DATA) if member in given]:
            raise RequestInvalidError(
                f"A container with a ModelPackageName cannot have {' and '.join(clashing)} too."
            )
        source = _packaged(store, given, region=region)
    elif "Image" in given:
        source = given
    else:
        raise RequestInvalidError("A container needs an Image or a ModelPackageName.")
    variables = {**source.get("Environment", {}), **given.get("Environment", {})}
    directory = variables.get("SAGEMAKER_SUBMIT_DIRECTORY", "")
    if directory.startswith("s3:"):
        raise unsupported(
            f"CreateModel: SAGEMAKER_SUBMIT_DIRECTORY = {directory!r} is not emulated here; put the"
            " code into the model's archive, below code/, and name /opt/ml/model/code."
        )
    data = {member: source[member] for member in _DATA if member in source}
    return {"Image": source["Image"], **data, "Environment": variables}


def _packaged(store: Store, given: Mapping[str, Any], *, region: str) -> Mapping[str, Any]:
    package: Any = find_package(store, region, name=given["ModelPackageName"])
    package_arn = package["ModelPackageArn"]
    if package["ModelPackageStatus"] != "Completed":
        raise RequestInvalidError(
            f"Model package {package_arn} cannot be used to create a model: its ModelPackageStatus"
            f" is {package['ModelPackageStatus']}, not Completed."
        )
    approval = package.get("ModelApprovalStatus", "Approved")  # unversioned ones have none
    if approval != "Approved":
        raise RequestInvalidError(
            f"Model package {package_arn} cannot be used to create a model: its"
            f" ModelApprovalStatus is {approval}, not Approved."
        )
    containers = package.get("InferenceSpecification", {}).get("Containers", [])
    if len(containers) != 1:
        raise unsupported(
            f"CreateModel: model package {package_arn} has {len(containers)} containers; one is"
            " emulated here."
        )
    found: Mapping[str, Any] = containers[0]
    if "Image" not in found:
        raise RequestInvalidError(f"The container of model package {package_arn} has no Image.")
    return found
