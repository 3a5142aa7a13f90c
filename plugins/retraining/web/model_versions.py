"""A pipeline's versions in the model registry, and which of them serves."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from retraining.aws.errors import is_missing
from retraining.deployment import endpoints
from retraining.registry import versions
from retraining.runs import records
from retraining.web import aws_reads
from retraining.web.recent import Recent

if TYPE_CHECKING:
    from collections.abc import Mapping
    from concurrent.futures import Future
    from datetime import datetime

_PAGE = 100
_PAGES = 10
_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Listed:
    """What a list of the registry tells of the newest versions.

    Attributes:
        arns: The ARN by number.
        approvals: The ModelApprovalStatus by number.
        is_all: Whether no older version was left out.
    """

    arns: Mapping[int, str]
    approvals: Mapping[int, str]
    is_all: bool


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A version with what its metadata say.

    Attributes:
        number: The version.
        arn: Of the model package.
        created: When it was registered.
        status: Its ModelPackageStatus.
        approval: Its ModelApprovalStatus.
        approval_reason: Who decided and why, where that was said.
        snapshot: The date of its data, or "".
        run_id: The run that registered it, or "".
        metadata: All of its metadata.
        report_uri: Its evaluation report, or "".
        run_uri: The folder with the decision about it, or "".
        objection: Why it is not deployed unasked, or "".
    """

    number: int
    arn: str
    created: datetime
    status: str
    approval: str
    approval_reason: str
    snapshot: str
    run_id: str
    metadata: Mapping[str, str]
    report_uri: str = ""
    run_uri: str = ""
    objection: str = ""


@dataclass(frozen=True, slots=True)
class Serving:
    """What an endpoint does now.

    Attributes:
        endpoint_name: The endpoint.
        status: Its status; "" if it does not exist.
        number: The version that serves; None if none does, or that cannot be told.
        is_verified: Whether what serves is what a deployment has verified.
        approval: The ModelApprovalStatus of the version; "" if there is none.
    """

    endpoint_name: str
    status: str = ""
    number: int | None = None
    is_verified: bool = False
    approval: str = ""


_LISTED: Recent[Listed] = Recent(_SECONDS, 100)
_DESCRIBED: Recent[ModelVersion] = Recent(_SECONDS, 1_000)
_SERVING: Recent[Serving] = Recent(_SECONDS, 100)
_SINCE: Recent[datetime | None] = Recent(_SECONDS, 100)
_OBJECTIONS: Recent[str] = Recent(_SECONDS, 1_000)


def start_listing(group: str, *, down_to: int) -> Future[Listed]:
    """Start to list the newest versions of a group, at least down to a number, within a bound."""
    (future,) = aws_reads.start(
        "sagemaker",
        [lambda client: _LISTED.get((group, down_to), lambda: _listed(client, group, down_to))],
    )
    return future


def start_serving(group: str, endpoint_name: str) -> Future[Serving]:
    """Start to look at an endpoint, and which version of a group serves there."""
    (future,) = aws_reads.start(
        "sagemaker",
        [
            lambda client: _SERVING.get(
                (group, endpoint_name), lambda: _serving(client, group, endpoint_name)
            )
        ],
    )
    return future


def start_since(endpoint_name: str) -> Future[datetime | None]:
    """Start to ask since when an endpoint serves what it serves."""
    (future,) = aws_reads.start(
        "sagemaker",
        [lambda client: _SINCE.get(endpoint_name, lambda: _since(client, endpoint_name))],
    )
    return future


def page(
    listed: Listed | None, serving: Serving | None, *, offset: int, limit: int, seconds: float
) -> tuple[list[ModelVersion], int, list[str]]:
    """Describe some of the newest versions, newest first, and on the first page what serves.

    Args:
        listed: The registry's list; None if it did not answer.
        serving: What the endpoint does; None if it did not answer. A version that serves is told
            however old it is.
        offset: So many of the newest are left out.
        limit: So many follow.
        seconds: How long to wait for the registry and for the decisions about versions.

    Returns:
        The versions, how many the list has, and sentences about what could not be read.
    """
    until = time.monotonic() + seconds
    if listed is None:
        return [], 0, []
    arns = dict(listed.arns)
    shown = sorted(arns, reverse=True)[offset : offset + limit]
    older = serving.number if serving else None
    if older is not None and arns and older not in arns and offset == 0:
        arns[older] = next(iter(arns.values())).rpartition("/")[0] + f"/{older}"
        shown.append(older)
    answers = aws_reads.gather(
        "sagemaker",
        [
            lambda client, arn=arns[number]: _DESCRIBED.get(  # type: ignore[misc]
                arn, lambda: _described(client, arn)
            )
            for number in shown
        ],
        seconds=seconds,
    )
    found = [answer for answer in answers if isinstance(answer, ModelVersion)]
    said = aws_reads.notices(answers, about="versions")
    found, more = _with_objections(found, seconds=until - time.monotonic())
    said += more
    if not listed.is_all:
        said.append(
            f"only the newest {len(listed.arns)} versions are listed, and the one that serves"
        )
    return found, len(listed.arns), said


def forget() -> None:
    """Read all anew: somebody has just changed it here."""
    for kept in (_LISTED, _DESCRIBED, _SERVING, _SINCE, _OBJECTIONS):
        kept.clear()


def _with_objections(
    found: list[ModelVersion], *, seconds: float
) -> tuple[list[ModelVersion], list[str]]:
    answers = aws_reads.gather(
        "s3",
        [
            lambda s3, uri=version.run_uri: _OBJECTIONS.get(  # type: ignore[misc]
                uri, lambda: records.objection(s3, uri) or ""
            )
            for version in found
        ],
        seconds=max(seconds, 0.5),
    )
    told = [
        replace(version, objection=answer if isinstance(answer, str) else "")
        for version, answer in zip(found, answers, strict=True)
    ]
    return told, aws_reads.notices(answers, about="decisions about versions")


def _listed(client: Any, group: str, down_to: int) -> Listed:
    arns: dict[int, str] = {}
    approvals: dict[int, str] = {}
    token: dict[str, Any] = {}
    for _ in range(_PAGES):
        try:
            answer = client.list_model_packages(
                ModelPackageGroupName=group,
                SortBy="CreationTime",
                SortOrder="Descending",
                MaxResults=_PAGE,
                **token,
            )
        except ClientError as error:
            if is_missing(error):
                return Listed({}, {}, is_all=True)
            raise
        for summary in answer["ModelPackageSummaryList"]:
            number = summary["ModelPackageVersion"]
            arns[number] = summary["ModelPackageArn"]
            approvals[number] = summary.get("ModelApprovalStatus", "")
        if not answer.get("NextToken"):
            return Listed(arns, approvals, is_all=True)
        # Later versions have higher numbers.
        if arns and min(arns) <= down_to:
            break
        token = {"NextToken": answer["NextToken"]}
    return Listed(arns, approvals, is_all=False)


def _described(client: Any, arn: str) -> ModelVersion:
    described = client.describe_model_package(ModelPackageName=arn)
    metadata = described.get("CustomerMetadataProperties", {})
    return ModelVersion(
        number=described["ModelPackageVersion"],
        arn=arn,
        created=described["CreationTime"],
        status=described.get("ModelPackageStatus", ""),
        approval=described.get("ModelApprovalStatus", ""),
        approval_reason=described.get("ApprovalDescription", ""),
        snapshot=metadata.get(versions.SNAPSHOT, ""),
        run_id=metadata.get("run_id", ""),
        metadata=metadata,
        report_uri=versions.report_uri_of(described),
        run_uri=versions.run_uri_of(described),
    )


def _serving(client: Any, group: str, endpoint_name: str) -> Serving:
    endpoint = endpoints.find(client, endpoint_name)
    if endpoint is None:
        return Serving(endpoint_name)
    config = endpoint.answering_config
    version = endpoints.version_of(client, config, endpoint_name, group=group) if config else None
    return Serving(
        endpoint_name,
        endpoint.status,
        version.number if version else None,
        endpoint.is_sound,
        version.approval if version else "",
    )


def _since(client: Any, endpoint_name: str) -> datetime | None:
    try:
        described = client.describe_endpoint(EndpointName=endpoint_name)
    except ClientError as error:
        if is_missing(error):
            return None
        raise
    # While another config is on its way, that was its start.
    return described["LastModifiedTime"] if described["EndpointStatus"] == "InService" else None
