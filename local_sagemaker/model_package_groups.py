"""Model package groups: the registry's folders."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from local_sagemaker.errors import RequestInvalidError, ServiceError
from local_sagemaker.listing import Listing, list_page
from local_sagemaker.requests import arn
from local_sagemaker.tags import drop_tags, put_tags

if TYPE_CHECKING:
    from local_sagemaker.emulator import Emulator
    from local_sagemaker.requests import Request
    from local_sagemaker.store import Document, Store

GROUP = "model-package-group"
PACKAGE = "model-package"

_LISTING = Listing(
    answer="ModelPackageGroupSummaryList",
    name=lambda group: str(group["ModelPackageGroupName"]),
    default_order="Ascending",
    members=(
        "ModelPackageGroupName",
        "ModelPackageGroupArn",
        "ModelPackageGroupDescription",
        "CreationTime",
        "ModelPackageGroupStatus",
    ),
)


def create_group(emulator: Emulator, request: Request) -> dict[str, object]:
    """Answer CreateModelPackageGroup."""
    members: Any = request.members
    name = request.text("ModelPackageGroupName")
    group_arn = arn(request.region, GROUP, name=name)
    store = emulator.store
    with store.transaction():
        if store.get(request.region, GROUP, name=name.lower()):
            raise RequestInvalidError(f"Model Package Group already exists: {group_arn}")
        put_tags(store, group_arn, tags=members.get("Tags", []))
        document = {
            **{key: value for key, value in members.items() if key != "Tags"},
            "ModelPackageGroupArn": group_arn,
            "ModelPackageGroupStatus": "Completed",
            "CreationTime": time.time(),
            "CreatedBy": {},
            # The version that the next package gets. Not told to clients.
            "NextVersion": 1,
        }
        store.put(request.region, GROUP, name=name.lower(), document=document)
    return {"ModelPackageGroupArn": group_arn}


def describe_group(emulator: Emulator, request: Request) -> dict[str, object]:
    """Answer DescribeModelPackageGroup."""
    group = find_group(emulator.store, request)
    return {key: value for key, value in group.items() if key != "NextVersion"}


def list_groups(emulator: Emulator, request: Request) -> dict[str, object]:
    """Answer ListModelPackageGroups."""
    return list_page(_LISTING, emulator.store, kind=GROUP, request=request)


def delete_group(emulator: Emulator, request: Request) -> dict[str, object]:
    """Answer DeleteModelPackageGroup; a group that holds packages stays."""
    store = emulator.store
    with store.transaction():
        group = find_group(store, request)
        name, group_arn = str(group["ModelPackageGroupName"]), str(group["ModelPackageGroupArn"])
        if any(store.walk(request.region, PACKAGE, parent=name)):
            raise ServiceError(
                "ConflictException",
                f"Model Package Group {group_arn} cannot be deleted: it still has Model Packages.",
            )
        store.delete(request.region, GROUP, name=name.lower())
        drop_tags(store, group_arn)
    return {}


def find_group(store: Store, request: Request) -> Document:
    """Return the group that a request names, by name or ARN.

    Raises:
        RequestInvalidError: There is none.
    """
    name = request.text("ModelPackageGroupName").rpartition("/")[2]
    group = store.get(request.region, GROUP, name=name.lower())
    if group is None:
        missing = arn(request.region, GROUP, name=name)
        raise RequestInvalidError(f"ModelPackageGroup {missing} does not exist.")
    return group
