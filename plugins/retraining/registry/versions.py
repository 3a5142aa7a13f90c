"""The model registry: register once, find the newest deployable version, approve, reject."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from retraining import naming
from retraining.aws.errors import is_missing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from mypy_boto3_sagemaker import SageMakerClient

log = logging.getLogger(__name__)

# Properties of the metadata that this library reads back.
FINGERPRINT = "fingerprint"
SNAPSHOT = "snapshot"
HEADLINE = "headline"
BETTER = "better"
TOLERANCE = "tolerance"
AGAINST_GATE = "against_gate"
DATA_DIFFERS = "data_differs"
RUN_URI = "run_uri"

APPROVED = "Approved"
REJECTED = "Rejected"
PENDING = "PendingManualApproval"
_DESCRIPTION_LENGTH = 1024


class NoSuchVersionError(LookupError):
    """A version that a person asked for is not in the group."""


@dataclass(frozen=True, slots=True)
class Version:
    """A version in a model package group.

    Attributes:
        arn: Of the model package.
        number: The version.
        snapshot: The date of the data, YYYY-MM-DD; "" if the version does not say, or no date.
        created: When it was registered.
        is_new: Whether the call that returned it made it.
        approval: Its ModelApprovalStatus.
        approval_reason: Who decided and why, where that was said.
        status: Its ModelPackageStatus; only a Completed one can be deployed.
        containers: The containers of its inference specification.
        report_uri: Its evaluation report; "" if the version does not say.
        data_report_uri: The report on its data; "" if the version does not say.
        data_differ: Whether the gate on data rejected those that it was trained on.
        run_uri: The folder with the decision of the run that registered it; "" if that is not told.
        tolerance: How far a number of its answer may be from what evaluation predicted, relatively;
            0 to 1; None if the version does not say.
    """

    arn: str
    number: int
    snapshot: str
    created: datetime
    is_new: bool = False
    approval: str = ""
    approval_reason: str = ""
    status: str = ""
    containers: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)
    report_uri: str = ""
    data_report_uri: str = ""
    data_differ: bool = False
    run_uri: str = ""
    tolerance: float | None = None

    @property
    def is_deployable(self) -> bool:
        """Whether it is approved and complete."""
        return self.approval == APPROVED and self.status == "Completed"

    @property
    def group(self) -> str:
        """The name of its group, as its ARN has it; "" of a package that is in none."""
        found = re.fullmatch(r"arn:.*:model-package/([^/]+)/[0-9]+", self.arn)
        return found[1] if found else ""

    @property
    def model_uri(self) -> str:
        """The model data of its first container; "" if it names none, or names them otherwise."""
        return str(self.containers[0].get("ModelDataUrl", "")) if self.containers else ""

    @property
    def image(self) -> str:
        """The image of its first container; "" if it names none."""
        return str(self.containers[0].get("Image", "")) if self.containers else ""

    @property
    def age(self) -> tuple[str, datetime]:
        """What orders versions: the data's date, then the registration's time."""
        return self.snapshot, self.created


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
        request: From ``requests.model_package``.
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


def deployable(client: SageMakerClient, group: str) -> list[Version]:
    """Return the approved and completed versions: the newest snapshot first, then the newest one.

    A backfill over old data never overtakes a model of newer data. What names no date cannot be
    put in that order, and is left out with a warning: anybody may add versions to a group.
    """
    found = [find(client, arn) for arn in approved_arns(client, group)]
    approved = [version for version in found if version is not None and version.is_deployable]
    for version in approved:
        if not version.snapshot:
            log.warning(
                "version %d is passed over: its metadata name no snapshot of the form YYYY-MM-DD."
                " %s",
                version.number,
                version.arn,
            )
    dated = (version for version in approved if version.snapshot)
    return sorted(dated, key=lambda item: item.age, reverse=True)


def registered(client: SageMakerClient, group: str) -> list[Version]:
    """Return a group's completed versions that are not rejected; none if there is no group."""
    found = (
        find(client, summary["ModelPackageArn"])
        for summary in _completed(client, group)
        if summary.get("ModelApprovalStatus") != REJECTED
    )
    return [version for version in found if version is not None]


def approved_arns(
    client: SageMakerClient, group: str, *, oldest_first: bool = False
) -> Iterator[str]:
    """Yield the ARNs of a group's approved and completed versions; none if there is no group."""
    order = {"SortBy": "CreationTime", "SortOrder": "Ascending"} if oldest_first else {}
    for summary in _completed(client, group, ModelApprovalStatus=APPROVED, **order):
        yield summary["ModelPackageArn"]


def describe(client: SageMakerClient, arn: str) -> Version:
    """Return a version as the registry has it now."""
    return _version(client.describe_model_package(ModelPackageName=arn))


def find(client: SageMakerClient, arn: str) -> Version | None:
    """Return a version, None if it does not exist any more."""
    try:
        return describe(client, arn)
    except client.exceptions.ClientError as error:
        if is_missing(error):
            return None
        raise


def version_asked_for(client: SageMakerClient, group: str, wanted: int | str) -> Version:
    """Return the version that a person named.

    Args:
        client: The client.
        group: The model package group.
        wanted: The number, or the ARN.

    Raises:
        NoSuchVersionError: The group has no such version.
    """
    if isinstance(wanted, str) and not re.fullmatch("[0-9]{1,9}", wanted):
        if not re.fullmatch(rf"arn:.*:model-package/{re.escape(group)}/[0-9]{{1,9}}", wanted):
            raise NoSuchVersionError(
                f"{wanted!r} is neither a version's number nor the ARN of a version of {group}"
            )
        arn = wanted
    else:
        try:
            found = client.describe_model_package_group(ModelPackageGroupName=group)
        except client.exceptions.ClientError as error:
            if not is_missing(error):
                raise
            raise NoSuchVersionError(f"there is no model package group {group} yet") from error
        arn = (
            found["ModelPackageGroupArn"].replace(":model-package-group/", ":model-package/", 1)
            + f"/{int(wanted)}"
        )
    version = find(client, arn)
    if version is None:
        raise NoSuchVersionError(f"{group} has no version {wanted}: {arn} does not exist")
    return version


def approve(client: SageMakerClient, arn: str, *, reason: str) -> None:
    """Let a version be deployed; ``reason`` says who decided and why."""
    _set_approval(client, arn, "Approved", reason)


def reject(client: SageMakerClient, arn: str, *, reason: str) -> None:
    """Keep a version from being deployed; ``reason`` says who decided and why."""
    _set_approval(client, arn, "Rejected", reason)


def report_uri_of(described: Mapping[str, Any], kind: str = "ModelQuality") -> str:
    """Return a report that a described version names; "" if it does not say.

    Args:
        described: The version.
        kind: ModelQuality for the evaluation report, ModelDataQuality for that on its data.
    """
    quality = described.get("ModelMetrics", {}).get(kind, {})
    return str(quality.get("Statistics", {}).get("S3Uri", ""))


def _completed(client: SageMakerClient, group: str, **wanted: Any) -> Iterator[Any]:
    pages = client.get_paginator("list_model_packages").paginate(
        ModelPackageGroupName=group, **wanted
    )
    try:
        for page in pages:
            for summary in page["ModelPackageSummaryList"]:
                if summary["ModelPackageStatus"] == "Completed":
                    yield summary
    except client.exceptions.ClientError as error:
        if not is_missing(error):
            raise


def run_uri_of(described: Mapping[str, Any]) -> str:
    """Return the folder with the decision about a described version; "" if it is not told.

    It is the folder of its report, unless its metadata name another one.
    """
    told = described.get("CustomerMetadataProperties", {}).get(RUN_URI)
    try:
        uri = str(told or naming.run_of_report(report_uri_of(described)))
        naming.split_s3_uri(uri)
    except naming.InvalidNameError:
        return ""
    # Anybody may add versions to a group.
    return uri if uri.endswith("/") else ""


def _set_approval(client: SageMakerClient, arn: str, status: Any, reason: str) -> None:
    # A description of several lines is refused.
    line = " ".join(reason.split())[:_DESCRIPTION_LENGTH]
    client.update_model_package(
        ModelPackageArn=arn, ModelApprovalStatus=status, ApprovalDescription=line
    )


def _version(described: Mapping[str, Any], *, is_new: bool = False) -> Version:
    metadata = described.get("CustomerMetadataProperties", {})
    return Version(
        arn=described["ModelPackageArn"],
        # A package that is in no group has none.
        number=described.get("ModelPackageVersion", 0),
        snapshot=_date(metadata.get(SNAPSHOT, "")),
        created=described["CreationTime"],
        is_new=is_new,
        approval=described.get("ModelApprovalStatus", ""),
        approval_reason=described.get("ApprovalDescription", ""),
        status=described.get("ModelPackageStatus", ""),
        containers=tuple(described.get("InferenceSpecification", {}).get("Containers", ())),
        report_uri=report_uri_of(described),
        data_report_uri=report_uri_of(described, "ModelDataQuality"),
        data_differ=bool(metadata.get(DATA_DIFFERS)),
        run_uri=run_uri_of(described),
        tolerance=_tolerance(metadata.get(TOLERANCE, "")),
    )


def _date(text: str) -> str:
    try:
        return naming.checked_snapshot(text)
    except naming.InvalidNameError:
        return ""


def _tolerance(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    # Neither NaN nor what no comparison takes.
    return number if 0 <= number <= 1 else None
