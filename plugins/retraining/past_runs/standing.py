"""What has become of registered versions: what was decided about them, and which one serves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from retraining.aws.errors import is_missing
from retraining.deployment import endpoints
from retraining.registry import versions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_sagemaker import SageMakerClient

DEPLOYED = "deployed"

_PAGE = 100
_APPROVALS = {
    versions.APPROVED: "approved",
    versions.REJECTED: "rejected",
    versions.PENDING: "pending",
}


@dataclass(frozen=True, slots=True)
class Standing:
    """The standing of a group's versions.

    Attributes:
        words: ``approved``, ``rejected`` or ``pending`` by ARN, and ``deployed`` where that is so.
        deployed: The ARN of the version that serves; None if none does, or that is not known.
        sentences: What is deployed, and what could not be found out.
    """

    words: Mapping[str, str] = field(default_factory=dict)
    deployed: str | None = None
    sentences: tuple[str, ...] = ()


def read_standing(client: SageMakerClient, group: str, *, endpoint_name: str) -> Standing:
    """Ask the registry and the endpoint; who does not answer is told in a sentence.

    Args:
        client: The client.
        group: The model package group.
        endpoint_name: Where its versions serve.
    """
    sentences: list[str] = []
    words: dict[str, str] = {}
    deployed = None
    try:
        words = _approvals(client, group)
    except (BotoCoreError, ClientError) as error:
        sentences.append(f"The registry does not tell what was approved: {error}")
    try:
        deployed, said = _serving(client, group, endpoint_name)
    except (BotoCoreError, ClientError) as error:
        said = f"The endpoint {endpoint_name} does not tell what is deployed: {error}"
    if deployed:
        # One that is approved need not be told to be so.
        other = {words.get(deployed)} - {_APPROVALS[versions.APPROVED], None}
        words[deployed] = ", ".join([DEPLOYED, *filter(None, other)])
    return Standing(words, deployed, (said, *sentences))


def _approvals(client: SageMakerClient, group: str) -> dict[str, str]:
    try:
        client.describe_model_package_group(ModelPackageGroupName=group)
    except ClientError as error:
        if is_missing(error):
            # Nothing has been registered yet.
            return {}
        raise
    pages = client.get_paginator("list_model_packages").paginate(
        ModelPackageGroupName=group, PaginationConfig={"PageSize": _PAGE}
    )
    return {
        summary["ModelPackageArn"]: _APPROVALS.get(summary.get("ModelApprovalStatus", ""), "")
        for page in pages
        for summary in page["ModelPackageSummaryList"]
    }


def _serving(client: SageMakerClient, group: str, endpoint_name: str) -> tuple[str | None, str]:
    endpoint = endpoints.find(client, endpoint_name)
    if endpoint is None:
        return None, f"Nothing is deployed: there is no endpoint {endpoint_name}."
    config = endpoint.answering_config
    version = endpoints.version_of(client, config, endpoint_name, group=group) if config else None
    state = f"the endpoint {endpoint_name} is {endpoint.status}"
    if version is None:
        return None, f"No registered version is known to be deployed; {state}."
    verified = "" if endpoint.is_sound else ", and what it serves is not verified yet"
    of = f", of snapshot {version.snapshot}," if version.snapshot else ""
    though = ", though it is Rejected" if version.approval == versions.REJECTED else ""
    return version.arn, f"Version {version.number}{of} is deployed{though}; {state}{verified}."
