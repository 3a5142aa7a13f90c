"""The model registry: register once, find the newest deployable version, approve, reject."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from mypy_boto3_sagemaker import SageMakerClient

# Two properties of the metadata that this module reads back.
FINGERPRINT = "fingerprint"
SNAPSHOT = "snapshot"


@dataclass(frozen=True, slots=True)
class Version:
    """A version in a model package group.

    Attributes:
        arn: Of the model package.
        number: The version.
        snapshot: The date of the data, YYYY-MM-DD; "" if the version does not say.
        created: When it was registered.
        is_new: Whether the call that returned it made it.
    """

    arn: str
    number: int
    snapshot: str
    created: datetime
    is_new: bool = False


def ensure_group(client: SageMakerClient, group: str, *, description: str) -> None:
    """Make the model package group unless it exists."""
    try:
        client.create_model_package_group(
            ModelPackageGroupName=group, ModelPackageGroupDescription=description
        )
    except client.exceptions.ClientError as error:
        # The service refuses a second group with ValidationException, not with ResourceInUse.
        try:
            client.describe_model_package_group(ModelPackageGroupName=group)
        except client.exceptions.ClientError:
            raise error from None


def register_once(
    client: SageMakerClient, request: Mapping[str, Any], *, since: datetime
) -> Version:
    """Create a model package version, or return the one that this request already made.

    The request's metadata carry a fingerprint of what is registered. A version with the same one
    is the same registration; two attempts at once are told apart by the request's ClientToken.

    Args:
        client: The client.
        request: From ``job_requests.model_package``.
        since: No version of this registration is older.
    """
    group = request["ModelPackageGroupName"]
    mark = request["CustomerMetadataProperties"][FINGERPRINT]
    # A list shows descriptions but no metadata.
    label = f"registration {mark[:12]}"
    description = f"{request['ModelPackageDescription']}, {label}"
    pages = client.get_paginator("list_model_packages").paginate(
        ModelPackageGroupName=group, CreationTimeAfter=since
    )
    for page in pages:
        for summary in page["ModelPackageSummaryList"]:
            if label not in summary.get("ModelPackageDescription", ""):
                continue
            found = client.describe_model_package(ModelPackageName=summary["ModelPackageArn"])
            if found.get("CustomerMetadataProperties", {}).get(FINGERPRINT) == mark:
                return _version(found)
    request = {**request, "ModelPackageDescription": description}
    arn = client.create_model_package(**request)["ModelPackageArn"]
    return _version(client.describe_model_package(ModelPackageName=arn), is_new=True)


def newest_deployable(client: SageMakerClient, group: str) -> Version | None:
    """Return the approved and completed version with the newest snapshot, then the newest one.

    A backfill over old data never overtakes a model of newer data.
    """
    pages = client.get_paginator("list_model_packages").paginate(
        ModelPackageGroupName=group, ModelApprovalStatus="Approved"
    )
    versions = [
        _version(client.describe_model_package(ModelPackageName=summary["ModelPackageArn"]))
        for page in pages
        for summary in page["ModelPackageSummaryList"]
        if summary["ModelPackageStatus"] == "Completed"
    ]
    return max(versions, key=lambda item: (item.snapshot, item.created), default=None)


def approve(client: SageMakerClient, arn: str, *, reason: str) -> None:
    """Let a version be deployed; ``reason`` says who decided and why."""
    _set_approval(client, arn, "Approved", reason)


def reject(client: SageMakerClient, arn: str, *, reason: str) -> None:
    """Keep a version from being deployed; ``reason`` says who decided and why."""
    _set_approval(client, arn, "Rejected", reason)


def _set_approval(client: SageMakerClient, arn: str, status: Any, reason: str) -> None:
    client.update_model_package(
        ModelPackageArn=arn, ModelApprovalStatus=status, ApprovalDescription=reason[:1024]
    )


def _version(described: Mapping[str, Any], *, is_new: bool = False) -> Version:
    return Version(
        arn=described["ModelPackageArn"],
        number=described["ModelPackageVersion"],
        snapshot=described.get("CustomerMetadataProperties", {}).get(SNAPSHOT, ""),
        created=described["CreationTime"],
        is_new=is_new,
    )
