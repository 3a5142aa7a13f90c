"""Transform jobs: from CreateTransformJob's request to a model and the objects for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from local_sagemaker.endpoints.models import find_model, resolved_container
from local_sagemaker.errors import RequestInvalidError
from local_sagemaker.images import find_environment
from local_sagemaker.jobs.plan import Download, JobKind, Outcome, Phase
from local_sagemaker.listing import Listing
from local_sagemaker.s3_places import parse_s3_uri
from local_sagemaker.transform.json_path import PathError, parse_path
from local_sagemaker.transform.plan import (
    LOG_GROUP,
    MOST_MEGABYTES,
    STRATEGIES,
    Limits,
    TransformPlan,
)
from local_sagemaker.transform.records import CSV, FORMATS, JSON, Records
from local_sagemaker.transform.running import run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local_sagemaker.access.grants import Objects
    from local_sagemaker.emulator import Emulator
    from local_sagemaker.store import Document
    from local_sagemaker.transform.json_path import JsonPath

_LONGEST_INVOCATION, _MOST_RETRIES = 600, 3
_PROCESSING = {"InputFilter": "$", "OutputFilter": "$", "JoinSource": "None"}


@dataclass(frozen=True, slots=True)
class _Processing:
    """A request's DataProcessing, and what it depends on."""

    input_filter: JsonPath
    output_filter: JsonPath
    join: bool
    source: str
    target: str

    def check(self, *, split: bool, assemble: bool) -> None:
        """Refuse what the service's documentation of DataProcessing excludes."""
        filters = (
            ("InputFilter", "TransformInput.ContentType", self.input_filter, self.source),
            ("OutputFilter", "TransformOutput.Accept", self.output_filter, self.target),
        )
        for name, member, path, form in filters:
            if not (self.join or not path.whole):
                continue
            if form not in FORMATS:
                raise RequestInvalidError(
                    f"DataProcessing: {member} must be one of {', '.join(FORMATS)}, not {form!r}."
                )
            if path.has_names and form == CSV:
                raise RequestInvalidError(
                    f"DataProcessing.{name}: {path.text} asks for a member by its name, and a row"
                    " of CSV is an array."
                )
            if form != JSON and not (split and assemble):
                raise RequestInvalidError(
                    f"DataProcessing: {member} {form} needs TransformInput.SplitType and"
                    " TransformOutput.AssembleWith Line."
                )
        if self.join and self.source != self.target:
            raise RequestInvalidError(
                f"DataProcessing.JoinSource Input: TransformInput.ContentType {self.source} and"
                f" TransformOutput.Accept {self.target} must be the same."
            )


def _check(request: Mapping[str, Any]) -> None:
    source = request["TransformInput"]["DataSource"]["S3DataSource"]
    parse_s3_uri(source["S3Uri"], member="TransformInput.DataSource.S3DataSource.S3Uri")
    parse_s3_uri(request["TransformOutput"]["S3OutputPath"], member="TransformOutput.S3OutputPath")
    each, at_once = (
        max(1, request.get(member, 1)) for member in ("MaxPayloadInMB", "MaxConcurrentTransforms")
    )
    if each * at_once > MOST_MEGABYTES:
        raise RequestInvalidError(
            "MaxPayloadInMB, MaxConcurrentTransforms and their product must not be greater than"
            f" {MOST_MEGABYTES}."
        )
    _processing(request).check(
        split=request["TransformInput"].get("SplitType") == "Line",
        assemble=request["TransformOutput"].get("AssembleWith") == "Line",
    )


def _processing(request: Mapping[str, Any]) -> _Processing:
    asked = {**_PROCESSING, **request.get("DataProcessing", {})}
    try:
        given, kept = (parse_path(asked[name]) for name in ("InputFilter", "OutputFilter"))
    except PathError as error:
        raise RequestInvalidError(f"DataProcessing: {error}.") from error
    return _Processing(
        input_filter=given,
        output_filter=kept,
        join=asked["JoinSource"] == "Input",
        source=_format(request["TransformInput"].get("ContentType")),
        target=_format(request["TransformOutput"].get("Accept")),
    )


def _format(told: str | None) -> str:
    return (told or "").partition(";")[0].strip().lower()


def _describe(request: Mapping[str, Any]) -> dict[str, object]:
    return {
        **{key: value for key, value in request.items() if key != "Tags"},
        "TransformInput": {
            "CompressionType": "None",
            "SplitType": "None",
            **request["TransformInput"],
        },
        "TransformOutput": {"AssembleWith": "None", **request["TransformOutput"]},
        "DataProcessing": {**_PROCESSING, **request.get("DataProcessing", {})},
    }


def _plan(emulator: Emulator, job: Document) -> TransformPlan:
    described: Mapping[str, Any] = job
    arn = described["TransformJobArn"]
    region = arn.split(":")[3]
    model: Mapping[str, Any] = find_model(emulator.store, region, described["ModelName"])
    container = resolved_container(model)
    find_environment(container["Image"], emulator.images)
    given, taken = described["TransformInput"], described["TransformOutput"]
    source = given["DataSource"]["S3DataSource"]
    client = described.get("ModelClientConfig", {})
    processing = _processing(described)
    return TransformPlan(
        kind=TRANSFORM,
        region=region,
        name=described["TransformJobName"],
        arn=arn,
        role=str(model.get("ExecutionRoleArn", "")),
        container={
            **container,
            "Environment": {
                "SAGEMAKER_BATCH": "true",
                **_told_variables(described),
                **container["Environment"],
                **described.get("Environment", {}),
            },
        },
        images=emulator.images,
        startup=emulator.hosting.patience.startup,
        source=Download(
            parse_s3_uri(source["S3Uri"], member="S3Uri"),
            "",
            manifest=source["S3DataType"] == "ManifestFile",
        ),
        gzip=given["CompressionType"] == "Gzip",
        target=parse_s3_uri(taken["S3OutputPath"], member="S3OutputPath"),
        headers={
            **({"Content-Type": given["ContentType"]} if given.get("ContentType") else {}),
            **({"Accept": taken["Accept"]} if taken.get("Accept") else {}),
        },
        limits=Limits(
            concurrent=described.get("MaxConcurrentTransforms") or None,
            megabytes=described.get("MaxPayloadInMB"),
            strategy=described.get("BatchStrategy"),
        ),
        records=Records(
            by_line=given["SplitType"] == "Line",
            assemble_lines=taken["AssembleWith"] == "Line",
            source=processing.source,
            target=processing.target,
            input_filter=processing.input_filter,
            output_filter=processing.output_filter,
            join=processing.join,
        ),
        seconds=client.get("InvocationsTimeoutInSeconds", _LONGEST_INVOCATION),
        retries=client.get("InvocationsMaxRetries", _MOST_RETRIES),
    )


def _told_variables(described: Mapping[str, Any]) -> dict[str, str]:
    """Return the limits that the request itself sets; others are not told to the container."""
    told: dict[str, str] = {}
    if "MaxPayloadInMB" in described:
        told["SAGEMAKER_MAX_PAYLOAD_IN_MB"] = str(described["MaxPayloadInMB"])
    if described.get("MaxConcurrentTransforms"):
        told["SAGEMAKER_MAX_CONCURRENT_TRANSFORMS"] = str(described["MaxConcurrentTransforms"])
    if strategy := described.get("BatchStrategy"):
        told["SAGEMAKER_BATCH_STRATEGY"] = STRATEGIES[strategy]
    return told


def _begin(job: Document, phase: Phase, *, now: float) -> dict[str, object]:
    started = phase is Phase.RUNNING and "TransformStartTime" not in job
    return {"TransformStartTime": now} if started else {}


def _conclude(_job: Document, _status: str, *, now: float, **_: object) -> dict[str, object]:
    return {"TransformEndTime": now}


def _deliver(_job: Document, _outcome: Outcome, *, s3: Objects) -> dict[str, object]:  # noqa: ARG001 -- its name
    return {}  # each object was, as soon as it was complete


TRANSFORM = JobKind(
    noun="transform",
    prefix="Transform",
    log_group=LOG_GROUP,
    name_taken=(
        "Job name must be unique within an AWS account and region, and a job with this name"
        " already exists"
    ),
    listing=Listing(
        answer="TransformJobSummaries",
        name=lambda job: str(job["TransformJobName"]),
        default_order="Descending",
        members=(
            "TransformJobName",
            "TransformJobArn",
            "CreationTime",
            "TransformEndTime",
            "LastModifiedTime",
            "TransformJobStatus",
            "FailureReason",
        ),
    ),
    check=_check,
    describe=_describe,
    plan=_plan,
    run=run,
    instance_type=lambda request: str(request["TransformResources"]["InstanceType"]),
    instance_count=lambda request: int(request["TransformResources"]["InstanceCount"]),
    create=lambda _now: {},
    begin=_begin,
    stopping=lambda _job, _now: {},
    failure=lambda _outcome: "",
    deliver=_deliver,
    conclude=_conclude,
    passing=lambda _job, _now: {},
)
