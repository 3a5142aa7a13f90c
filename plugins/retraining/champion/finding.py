"""Which versions a run is measured by: what serves, and whose data tonight's are compared with.

Whatever somebody else did to the endpoint or to the group is said in words and is no error; only a
service that does not answer, or refuses, is one.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from retraining import naming
from retraining.deployment import candidates, endpoints
from retraining.registry import versions
from retraining.runs import records

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker import SageMakerClient

    from retraining.registry.versions import Version

log = logging.getLogger(__name__)

CHAMPION = "champion"
BASELINE = "baseline"
REFERENCE = "reference"
ROLES = (CHAMPION, BASELINE, REFERENCE)
# What is told of the version in a role; all are texts, "" where there is none.
MEMBERS = (
    "why", "arn", "version", "snapshot", "model_uri", "image", "report_uri", "data_report_uri",
    "lost",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class InRole:
    """The version that has a role for a run.

    Attributes:
        version: The version; None if there is none.
        why: Why this one, or why none, in words.
        lost: Why no container can load its model data, as where they were deleted; or "".
    """

    version: Version | None
    why: str
    lost: str = ""

    def to_result(self) -> dict[str, str]:
        """Return the ``MEMBERS``, for other tasks."""
        if self.version is None:
            return dict.fromkeys(MEMBERS, "") | {"why": self.why}
        return {
            "why": self.why,
            "arn": self.version.arn,
            "version": str(self.version.number),
            "snapshot": self.version.snapshot,
            "model_uri": self.version.model_uri,
            "image": self.version.image,
            "report_uri": self.version.report_uri,
            "data_report_uri": self.version.data_report_uri,
            "lost": self.lost,
        }


def find(
    client: SageMakerClient,
    s3: S3Client,
    group: str,
    *,
    endpoint_name: str,
    snapshot: str,
    run_uri: str,
) -> Mapping[str, InRole]:
    """Return the version in each of the ``ROLES``.

    The ``champion`` is what serves on the endpoint; else the newest approved one, as a deployment
    would choose it. The ``baseline``, for the run's data, is what serves; else, and for a run on
    older data than that, the newest that was registered on no newer data and not rejected. The
    ``reference``, against slow drift, is the first that was registered and is approved. No run is
    compared with the data of its own earlier attempt.

    Args:
        client: A SageMaker client.
        s3: An S3 client.
        group: The model package group.
        endpoint_name: The endpoint.
        snapshot: The date of the run's data.
        run_uri: The run's folder.

    Raises:
        ClientError: A service did not answer, or refuses.
        InvalidNameError: The endpoint's name is none.
    """
    serving, said = _serving(client, group, endpoint_name)
    champion = (
        InRole(serving, said) if serving else _newest_approved(client, s3, group, why_not=said)
    )
    if champion.version:
        # Without test rows it is only asked whether its model data are there.
        lost = candidates.why_not(s3, champion.version, rows=0) or ""
        champion = InRole(champion.version, champion.why, lost)
    return {
        CHAMPION: champion,
        BASELINE: _baseline(
            client, group, serving=serving, said=said, snapshot=snapshot, run_uri=run_uri
        ),
        REFERENCE: _reference(client, group),
    }


def _serving(client: SageMakerClient, group: str, endpoint_name: str) -> tuple[Version | None, str]:
    naming.deployment_stem(endpoint_name)
    endpoint = endpoints.find(client, endpoint_name)
    if endpoint is None:
        return None, f"no endpoint {endpoint_name}"
    config = endpoint.answering_config
    if config is None:
        return None, f"the endpoint {endpoint_name} is {endpoint.status} and answers nothing"
    version = endpoints.version_of(client, config, endpoint_name, group=group)
    if version is None:
        return None, (
            f"the endpoint {endpoint_name} serves the config {config}, which is of no registered"
            " version any more, or never was"
        )
    if version.group != group:
        return None, f"the endpoint {endpoint_name} serves {version.arn}, which is not of {group}"
    rejected = ", though it is Rejected" if version.approval == versions.REJECTED else ""
    return version, f"serves on endpoint {endpoint_name}{rejected}"


def _newest_approved(client: SageMakerClient, s3: S3Client, group: str, *, why_not: str) -> InRole:
    for version in versions.deployable(client, group):
        if why := records.objection(s3, version.run_uri):
            log.info("version %d is passed over: %s", version.number, why)
        else:
            return InRole(version, f"newest approved version; {why_not}")
    return InRole(None, f"none: {group} has no approved version to deploy; {why_not}")


def _baseline(
    client: SageMakerClient,
    group: str,
    *,
    serving: Version | None,
    said: str,
    snapshot: str,
    run_uri: str,
) -> InRole:
    if serving and (serving.approval == versions.REJECTED or _is_of_run(serving, run_uri)):
        said = f"version {serving.number} {said}" + (
            ", and was made by this run" if _is_of_run(serving, run_uri) else ""
        )
        serving = None
    if serving and serving.snapshot <= snapshot:
        return InRole(serving, said)
    if serving:
        said = (
            f"version {serving.number} {said}, and its data of {serving.snapshot} are newer than"
            " the run's"
        )
    found = [
        version
        for version in versions.registered(client, group)
        if version.approval != versions.REJECTED
        # Until a person approves of other data, no night is measured by them.
        and not (version.data_differ and version.approval != versions.APPROVED)
        and version.snapshot
        and version.snapshot <= snapshot
        and not _is_of_run(version, run_uri)
    ]
    if found:
        newest = max(found, key=lambda version: version.age)
        return InRole(newest, f"newest registered version of data up to {snapshot}; {said}")
    if serving:
        return InRole(serving, f"{said}; there is none of data up to {snapshot}")
    return InRole(
        None,
        f"none: {group} has no version of data up to {snapshot} whose data nobody has rejected;"
        f" {said}",
    )


def _reference(client: SageMakerClient, group: str) -> InRole:
    for arn in versions.approved_arns(client, group, oldest_first=True):
        version = versions.find(client, arn)
        # It may have been rejected or deleted since the list was made.
        if version and version.is_deployable:
            return InRole(version, "first version that was registered and is approved")
    return InRole(None, f"none: {group} has no approved version")


def _is_of_run(version: Version, run_uri: str) -> bool:
    return version.report_uri == naming.report_uri(run_uri)
