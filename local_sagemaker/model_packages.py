"""Model packages: the registry's models, versioned in a group or by a name of their own."""

from __future__ import annotations

import hashlib
import json
import time
from typing import TYPE_CHECKING, Any

from local_sagemaker.errors import RequestInvalidError, ServiceError
from local_sagemaker.listing import Listing, list_page
from local_sagemaker.model_package_groups import GROUP, PACKAGE, find_group
from local_sagemaker.requests import arn
from local_sagemaker.tags import drop_tags, put_tags

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local_sagemaker.emulator import Emulator
    from local_sagemaker.requests import Request
    from local_sagemaker.store import Document, Store

_MOST_PROPERTIES = 50
_MOST_SPECIFICATIONS = 15


def _name(package: Mapping[str, object]) -> str:
    # The service gives a version no name of its own.
    return str(package.get("ModelPackageName", package.get("ModelPackageGroupName")))


_LISTING = Listing(
    answer="ModelPackageSummaryList",
    name=_name,
    default_order="Ascending",
    members=(
        "ModelPackageName",
        "ModelPackageGroupName",
        "ModelPackageVersion",
        "ModelPackageArn",
        "ModelPackageDescription",
        "CreationTime",
        "ModelPackageStatus",
        "ModelApprovalStatus",
        "ModelLifeCycle",
        "ModelPackageRegistrationType",
    ),
    orders={"CreationTime": "created", "Name": "lower(coalesce(parent, name))"},
)
_BATCH_MEMBERS = (
    "ModelPackageGroupName",
    "ModelPackageVersion",
    "ModelPackageArn",
    "ModelPackageDescription",
    "CreationTime",
    "InferenceSpecification",
    "ModelPackageStatus",
    "ModelApprovalStatus",
    "ModelPackageRegistrationType",
)
# Members of UpdateModelPackage that simply replace what was there.
_REPLACED = (
    "ApprovalDescription",
    "InferenceSpecification",
    "ModelApprovalStatus",
    "ModelLifeCycle",
    "ModelPackageRegistrationType",
    "SourceUri",
)


def create_package(emulator: Emulator, request: Request) -> dict[str, object]:
    """Answer CreateModelPackage; one ClientToken makes one package, however often it is sent."""
    store = emulator.store
    _check_new(request)
    # Two calls with one token must not both find it unused.
    with store.transaction():
        if known := _with_token(store, request):
            return {"ModelPackageArn": known}
        package = (
            _new_version(store, request)
            if "ModelPackageGroupName" in request.members
            else _new_unversioned(store, request)
        )
        package_arn = str(package["ModelPackageArn"])
        tags: Any = request.members.get("Tags", [])
        put_tags(store, package_arn, tags=tags)
        store.put(request.region, PACKAGE, name=_key(package_arn), document=package)
        _remember_token(store, request, package_arn=package_arn)
    return {"ModelPackageArn": package_arn}


def describe_package(emulator: Emulator, request: Request) -> dict[str, object]:
    """Answer DescribeModelPackage."""
    package: Any = find_package(
        emulator.store, request.region, name=request.text("ModelPackageName")
    )
    if request.members.get("IncludedData") == "MetadataOnly" and "ModelCard" in package:
        card = {k: v for k, v in package["ModelCard"].items() if k != "ModelCardContent"}
        return {**package, "ModelCard": card}
    return dict(package)


def describe_packages(emulator: Emulator, request: Request) -> dict[str, object]:
    """Answer BatchDescribeModelPackage."""
    arns: Any = request.members["ModelPackageArnList"]
    summaries, errors = {}, {}
    for package_arn in arns:
        try:
            package = find_package(emulator.store, request.region, name=package_arn)
        except RequestInvalidError as error:
            errors[package_arn] = {"ErrorCode": error.code, "ErrorResponse": error.message}
        else:
            summaries[package_arn] = {k: package[k] for k in _BATCH_MEMBERS if k in package}
    return {"ModelPackageSummaries": summaries, "BatchDescribeModelPackageErrorMap": errors}


def list_packages(emulator: Emulator, request: Request) -> dict[str, object]:
    """Answer ListModelPackages; unversioned ones, unless a group or another type is asked for."""
    group = "ModelPackageGroupName" in request.members
    parent = str(find_group(emulator.store, request)["ModelPackageGroupName"]) if group else None
    kind = request.members.get("ModelPackageType", "Versioned" if group else "Unversioned")
    approval = request.members.get("ModelApprovalStatus")

    def only(package: Mapping[str, object]) -> bool:
        versioned = "ModelPackageVersion" in package
        return (kind == "Both" or (kind == "Versioned") == versioned) and (
            approval in (None, package.get("ModelApprovalStatus"))
        )

    return list_page(
        _LISTING, emulator.store, kind=PACKAGE, request=request, parent=parent, only=only
    )


def update_package(emulator: Emulator, request: Request) -> dict[str, object]:
    """Answer UpdateModelPackage."""
    store = emulator.store
    with store.transaction():
        package = find_package(store, request.region, name=request.text("ModelPackageArn"))
        package_arn = str(package["ModelPackageArn"])
        if not _with_token(store, request):
            updated = {**_updated(package, request.members), "LastModifiedTime": time.time()}
            store.put(request.region, PACKAGE, name=_key(package_arn), document=updated)
            _remember_token(store, request, package_arn=package_arn)
    return {"ModelPackageArn": package_arn}


def delete_package(emulator: Emulator, request: Request) -> dict[str, object]:
    """Answer DeleteModelPackage; its version is not given to another package."""
    store = emulator.store
    with store.transaction():
        package = find_package(store, request.region, name=request.text("ModelPackageName"))
        package_arn = str(package["ModelPackageArn"])
        store.delete(request.region, PACKAGE, name=_key(package_arn))
        drop_tags(store, package_arn)
        store.execute("DELETE FROM client_tokens WHERE arn = ?", package_arn)
    return {}


def _check_new(request: Request) -> None:
    members = request.members
    if ("ModelPackageName" in members) == ("ModelPackageGroupName" in members):
        raise RequestInvalidError(
            "Either ModelPackageName or ModelPackageGroupName must be given, and not both."
        )
    if "InferenceSpecification" not in members and "SourceUri" not in members:
        raise RequestInvalidError("InferenceSpecification or SourceUri must be given.")
    if "ModelPackageGroupName" in members:
        if members.get("Tags"):
            raise RequestInvalidError(
                "Tags cannot be given for a versioned model package: it uses its group's tags."
            )
    elif "ModelApprovalStatus" in members:
        raise RequestInvalidError("ModelApprovalStatus applies to versioned model packages only.")


def _new_version(store: Store, request: Request) -> dict[str, object]:
    group: Any = find_group(store, request)
    name, version = group["ModelPackageGroupName"], group["NextVersion"]
    store.put(
        request.region, GROUP, name=name.lower(), document={**group, "NextVersion": version + 1}
    )
    return {
        "ModelApprovalStatus": "PendingManualApproval",
        **_described(request),
        "ModelPackageGroupName": name,
        "ModelPackageVersion": version,
        "ModelPackageArn": arn(request.region, PACKAGE, name=f"{name}/{version}"),
    }


def _new_unversioned(store: Store, request: Request) -> dict[str, object]:
    name = request.text("ModelPackageName")
    package_arn = arn(request.region, PACKAGE, name=name)
    if store.get(request.region, PACKAGE, name=_key(package_arn)):
        raise RequestInvalidError(f"Model Package already exists: {package_arn}")
    return {**_described(request), "ModelPackageArn": package_arn}


def _described(request: Request) -> dict[str, object]:
    now = time.time()
    return {
        **{k: v for k, v in request.members.items() if k not in {"Tags", "ClientToken"}},
        "ModelPackageStatus": "Completed",
        "ModelPackageStatusDetails": {"ValidationStatuses": [], "ImageScanStatuses": []},
        "CreationTime": now,
        "LastModifiedTime": now,
        "CreatedBy": {},
        "LastModifiedBy": {},
    }


def _updated(package: Document, members: Mapping[str, Any]) -> dict[str, object]:
    updated: dict[str, Any] = {**package, **{k: members[k] for k in _REPLACED if k in members}}
    if "ModelApprovalStatus" in members and "ModelPackageVersion" not in package:
        raise RequestInvalidError("ModelApprovalStatus applies to versioned model packages only.")
    properties = {
        **updated.get("CustomerMetadataProperties", {}),
        **members.get("CustomerMetadataProperties", {}),
    }
    for key in members.get("CustomerMetadataPropertiesToRemove", []):
        properties.pop(key, None)
    if len(properties) > _MOST_PROPERTIES:
        raise RequestInvalidError(
            f"CustomerMetadataProperties would have {len(properties)} entries; {_MOST_PROPERTIES}"
            " are allowed."
        )
    updated.pop("CustomerMetadataProperties", None)
    if properties:
        updated["CustomerMetadataProperties"] = properties
    if added := members.get("AdditionalInferenceSpecificationsToAdd"):
        specifications = [*updated.get("AdditionalInferenceSpecifications", []), *added]
        names = {entry["Name"] for entry in specifications}
        if len(names) < len(specifications) or len(names) > _MOST_SPECIFICATIONS:
            raise RequestInvalidError(
                "AdditionalInferenceSpecifications must have unique names, and at most"
                f" {_MOST_SPECIFICATIONS} of them."
            )
        updated["AdditionalInferenceSpecifications"] = specifications
    if "ModelCard" in members:
        updated["ModelCard"] = {**updated.get("ModelCard", {}), **members["ModelCard"]}
    return updated


def find_package(store: Store, region: str, *, name: str) -> Document:
    """Return a package by its name, ``group/version`` or ARN.

    Raises:
        RequestInvalidError: There is none.
    """
    key = _key(name)
    package = store.get(region, PACKAGE, name=key)
    if package is None:
        raise RequestInvalidError(f"ModelPackage {arn(region, PACKAGE, name=key)} does not exist.")
    return package


def _key(name_or_arn: str) -> str:
    return name_or_arn.rpartition(f":{PACKAGE}/")[2].lower()


def _with_token(store: Store, request: Request) -> str | None:
    token = request.members.get("ClientToken")
    rows = store.execute(
        "SELECT fingerprint, arn FROM client_tokens"
        " WHERE region = ? AND operation = ? AND token = ?",
        request.region,
        request.operation,
        token,
    )
    if not rows:
        return None
    fingerprint, known = rows[0]
    if fingerprint != _fingerprint(request):
        raise ServiceError(
            "ConflictException",
            f"{request.operation}: the ClientToken {token} was already used with other parameters,"
            f" for {known}.",
        )
    return str(known)


def _remember_token(store: Store, request: Request, *, package_arn: str) -> None:
    if token := request.members.get("ClientToken"):
        store.execute(
            "INSERT INTO client_tokens VALUES (?, ?, ?, ?, ?)",
            request.region,
            request.operation,
            token,
            _fingerprint(request),
            package_arn,
        )


def _fingerprint(request: Request) -> str:
    members = {key: value for key, value in request.members.items() if key != "ClientToken"}
    return hashlib.sha256(json.dumps(members, sort_keys=True).encode()).hexdigest()
