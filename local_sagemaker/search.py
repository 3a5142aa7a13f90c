"""Search: the resources of one kind that satisfy an expression."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from local_sagemaker.endpoints.deployment import ENDPOINT
from local_sagemaker.endpoints.operations import described_endpoint
from local_sagemaker.errors import unsupported
from local_sagemaker.jobs.training import TRAINING
from local_sagemaker.listing import in_order, page_of
from local_sagemaker.model_package_groups import GROUP, PACKAGE
from local_sagemaker.requests import arn
from local_sagemaker.search_filters import (
    Resource,
    SortKey,
    find_order,
    read_expression,
    searchable,
    sort_key,
)
from local_sagemaker.tags import get_tags_below
from local_sagemaker.tuning.tuning_job import TUNING
from local_sagemaker.validation import service_model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from local_sagemaker.emulator import Emulator
    from local_sagemaker.requests import Request
    from local_sagemaker.store import Document, Position

    Entry = tuple[tuple[SortKey, str], Mapping[str, Any]]

# What a request calls otherwise than the answer.
_ANSWERED = {"ExperimentTrial": "Trial", "ExperimentTrialComponent": "TrialComponent"}
# Kinds of which none can be made here, and none is there by itself.
_NONE_HERE = (
    "Experiment",
    "ExperimentTrial",
    "ExperimentTrialComponent",
    "Pipeline",
    "PipelineExecution",
    "PipelineVersion",
    "FeatureGroup",
    "FeatureMetadata",
    "Project",
    "ModelCard",
)


# Properties that the store has in columns of their own, and names as it has them in lower case.
_COLUMNS: Mapping[str, str] = {
    "TrainingJobStatus": "status",
    "HyperParameterTuningJobStatus": "status",
    "TuningJobArn": "parent",
    "ModelPackageGroupName": "parent",
}
_NAMES = ("TrainingJobName", "HyperParameterTuningJobName")


def _training_job(job: Document) -> Mapping[str, object]:
    return {**job, **TRAINING.passing(job, time.time())}


# Resource to its kind in the store, its ARN's member, and what makes its record of its document.
_KINDS: Mapping[str, tuple[str, str, Callable[[Document], Mapping[str, object]]]] = {
    "TrainingJob": (TRAINING.resource, "TrainingJobArn", _training_job),
    "HyperParameterTuningJob": (TUNING.resource, "HyperParameterTuningJobArn", dict),
    "ModelPackage": (PACKAGE, "ModelPackageArn", dict),
    "ModelPackageGroup": (GROUP, "ModelPackageGroupArn", dict),
    "Endpoint": (ENDPOINT, "EndpointArn", described_endpoint),
}


def search(emulator: Emulator, request: Request) -> dict[str, object]:
    """Answer Search; for each page all resources are read that the store cannot rule out.

    Raises:
        RequestInvalidError: See `read_expression` and `find_order`.
        ServiceError: UnsupportedOperation, a kind of resource that cannot be searched for here.
    """
    asked: Any = request.members
    name = asked["Resource"]
    answered = _ANSWERED.get(name, name)
    if name not in _KINDS and name not in _NONE_HERE:
        raise unsupported(f"Search: Resource = {name!r} is not emulated here.")
    record_shape: Any = service_model().shape_for("SearchRecord")
    resource = Resource(name, record_shape.members[answered])
    matches = (
        read_expression(resource, asked["SearchExpression"])
        if "SearchExpression" in asked
        else lambda _: True
    )
    descending = asked.get("SortOrder", "Descending") == "Descending"
    by = find_order(resource, asked.get("SortBy") or _default_order(resource))
    entries: list[Entry] = []
    narrowed = _narrowed(asked.get("SearchExpression", {}))
    for record_arn, record in _records(emulator, request.region, resource, narrowed=narrowed):
        readable = searchable(record)
        if matches(readable):
            position = (sort_key(readable, by, descending=descending), record_arn)
            entries.append((position, {answered: record}))

    def walk(after: Position | None) -> Iterator[tuple[Position, Mapping[str, object]]]:
        return in_order(entries, after, descending=descending)

    hits = {"Value": len(entries), "Relation": "EqualTo"}
    return {**page_of(walk, answer="Results", request=request), "TotalHits": hits}


def _default_order(resource: Resource) -> str:
    members: Any = resource.shape
    # Groups are never modified.
    return next(n for n in ("LastModifiedTime", "CreationTime") if n in members.members)


def _narrowed(expression: Mapping[str, Any]) -> dict[str, str]:
    """Return what the store can look for: among what it finds is all that satisfies it."""
    found: dict[str, str] = {}
    if expression.get("Operator") == "Or":
        return found
    for one in expression.get("Filters", []):
        operator, value = one.get("Operator", "Equals"), one.get("Value", "")
        if operator == "Equals" and one["Name"] in _COLUMNS:
            found[_COLUMNS[one["Name"]]] = value
        elif operator in ("Equals", "Contains") and one["Name"] in _NAMES:
            found["part"] = value.lower()
    return found


def _records(
    emulator: Emulator, region: str, resource: Resource, *, narrowed: Mapping[str, str]
) -> Iterator[tuple[str, Mapping[str, object]]]:
    if resource.name not in _KINDS:
        return
    kind, arn_member, told = _KINDS[resource.name]
    shape: Any = resource.shape
    tags = get_tags_below(emulator.store, arn(region, kind, name=""))
    found = emulator.store.walk(
        region,
        kind,
        status=narrowed.get("status"),
        parent=narrowed.get("parent"),
        part=narrowed.get("part", ""),
    )
    for _, document in found:
        record_arn = str(document[arn_member])
        held = {**told(document), "Tags": tags.get(record_arn, [])}
        yield record_arn, {name: held[name] for name in held if name in shape.members}
