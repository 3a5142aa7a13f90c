"""Processing jobs: from CreateProcessingJob's request to folders, a command and uploads."""

from __future__ import annotations

import codecs
from collections import Counter
from typing import TYPE_CHECKING, Any

from local_sagemaker.errors import RequestInvalidError
from local_sagemaker.images import find_environment
from local_sagemaker.jobs.attempts import Attempts
from local_sagemaker.jobs.plan import (
    CONTAINER_ROOT,
    Download,
    End,
    JobFailedError,
    JobKind,
    Outcome,
    Phase,
    Plan,
)
from local_sagemaker.jobs.transfers import place, upload_folder
from local_sagemaker.listing import Listing
from local_sagemaker.s3_places import parse_s3_uri

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from local_sagemaker.access.grants import Objects
    from local_sagemaker.emulator import Emulator
    from local_sagemaker.store import Document

_DAY = 86_400
_LONGEST_MESSAGE = 1024
_LOCAL_ROOT = f"{CONTAINER_ROOT}/processing"


def _check(request: Mapping[str, Any]) -> None:
    cluster = request["ProcessingResources"]["ClusterConfig"]
    if not (cluster.get("InstanceType") and cluster.get("InstanceCount")):
        raise RequestInvalidError(
            "ProcessingResources.ClusterConfig needs InstanceType and InstanceCount."
        )
    inputs, outputs = _inputs(request), _outputs(request)
    names = Counter([entry["InputName"] for entry in inputs])
    names.update(f"output {entry['OutputName']}" for entry in outputs)
    if repeated := [name for name, count in names.items() if count > 1]:
        raise RequestInvalidError(f"Names of inputs and outputs must be unique: {repeated}.")
    for entry in inputs:
        _check_place(entry.get("S3Input"), f"ProcessingInputs, {entry['InputName']}")
    for entry in outputs:
        _check_place(entry.get("S3Output"), f"ProcessingOutputConfig, {entry['OutputName']}")


def _check_place(at: Mapping[str, str] | None, where: str) -> None:
    if at is None:
        raise RequestInvalidError(f"{where}: an S3 location is missing.")
    parse_s3_uri(at["S3Uri"], member=f"{where}: S3Uri")
    path = at.get("LocalPath", "")
    odd = "\0" in path or {".", ".."} & set(path.split("/"))
    if odd or not path.startswith(f"{_LOCAL_ROOT}/"):
        raise RequestInvalidError(
            f"{where}: LocalPath must be a path below {_LOCAL_ROOT}/, not {path!r}."
        )


def _describe(request: Mapping[str, Any]) -> dict[str, object]:
    described = {key: value for key, value in request.items() if key != "Tags"}
    described.setdefault("StoppingCondition", {"MaxRuntimeInSeconds": _DAY})
    return described


def _plan(emulator: Emulator, job: Document) -> Plan:
    described: Mapping[str, Any] = job
    application = described["AppSpecification"]
    environment = find_environment(application["ImageUri"], emulator.images)
    inputs = tuple(
        Download(
            parse_s3_uri(entry["S3Input"]["S3Uri"], member="S3Uri"),
            _relative(entry["S3Input"]["LocalPath"]),
            manifest=entry["S3Input"]["S3DataType"] == "ManifestFile",
            sharded=entry["S3Input"].get("S3DataDistributionType") == "ShardedByS3Key",
        )
        for entry in _inputs(described)
    )
    outputs = tuple(_relative(entry["S3Output"]["LocalPath"]) for entry in _outputs(described))
    request = {key: described[key] for key in described if not key.endswith(("Time", "Status"))}
    return Plan(
        kind=PROCESSING,
        region=described["ProcessingJobArn"].split(":")[3],
        name=described["ProcessingJobName"],
        arn=described["ProcessingJobArn"],
        role=described["RoleArn"],
        environment_folder=environment.folder,
        # An image without an entry point of its own, as the scikit-learn image, starts Python.
        command=(
            *application.get("ContainerEntrypoint", environment.image.entrypoint or ["python3"]),
            *application.get("ContainerArguments", []),
        ),
        variables=described.get("Environment", {}),
        downloads=inputs,
        folders=("processing/input", "processing/output", "output", *outputs),
        files={
            "config/processingjobconfig.json": request,
        },
        hosts=described["ProcessingResources"]["ClusterConfig"]["InstanceCount"],
        host_files=_host_files,
        delivered=outputs,
        metrics=(),
        image_metric="",
        maximum_runtime=float(described["StoppingCondition"]["MaxRuntimeInSeconds"]),
        notice=environment.notice,
    )


def _host_files(names: tuple[str, ...], current: str) -> dict[str, object]:
    # Nothing waits here until a name resolves, so they are the service's in any case.
    algo = [f"algo-{number}" for number in range(1, len(names) + 1)]
    config = {"current_host": algo[names.index(current)], "hosts": algo}
    return {"config/resourceconfig.json": config}


def _begin(_job: Document, phase: Phase, *, now: float) -> dict[str, object]:
    return {"ProcessingStartTime": now} if phase is Phase.RUNNING else {}


def _deliver(job: Document, outcome: Outcome, *, s3: Objects) -> dict[str, object]:
    if outcome.end is End.EXITED and outcome.exit_code == 0:
        for entry in _outputs(job):
            output = entry["S3Output"]
            folder = place(outcome.root, _relative(output["LocalPath"]))
            target = parse_s3_uri(output["S3Uri"], member="S3Uri")
            upload_folder(s3, folder, target=target)
    message = place(outcome.root, "output/message")
    if not message.is_file():
        return {}
    try:
        return {"ExitMessage": _first_kilobyte(message)}
    except UnicodeDecodeError as error:
        raise JobFailedError(
            f"ClientError: {CONTAINER_ROOT}/output/message is not UTF-8: {error.reason}"
        ) from error


def _conclude(_job: Document, _status: str, *, now: float, **_: object) -> dict[str, object]:
    return {"ProcessingEndTime": now}


def _first_kilobyte(message: Path) -> str:
    with message.open("rb") as file:
        content = file.read(_LONGEST_MESSAGE)
        ended = not file.read(1)
    # Only a character that the limit cuts in two may be incomplete.
    return codecs.getincrementaldecoder("utf-8")().decode(content, final=ended)


def _inputs(request: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return list(request.get("ProcessingInputs", []))


def _outputs(request: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return list(request.get("ProcessingOutputConfig", {}).get("Outputs", []))


def _relative(local_path: str) -> str:
    return local_path.removeprefix(f"{CONTAINER_ROOT}/")


PROCESSING = JobKind(
    noun="processing",
    prefix="Processing",
    log_group="/aws/sagemaker/ProcessingJobs",
    name_taken=(
        "Job name must be unique within an AWS account and region, and a job with this name"
        " already exists"
    ),
    listing=Listing(
        answer="ProcessingJobSummaries",
        name=lambda job: str(job["ProcessingJobName"]),
        default_order="Ascending",
        members=(
            "ProcessingJobName",
            "ProcessingJobArn",
            "CreationTime",
            "ProcessingEndTime",
            "LastModifiedTime",
            "ProcessingJobStatus",
            "FailureReason",
            "ExitMessage",
        ),
    ),
    check=_check,
    describe=_describe,
    plan=_plan,
    run=Attempts.run,
    instance_type=lambda request: str(
        request["ProcessingResources"]["ClusterConfig"]["InstanceType"]
    ),
    instance_count=lambda request: int(
        request["ProcessingResources"]["ClusterConfig"]["InstanceCount"]
    ),
    create=lambda _now: {},
    begin=_begin,
    stopping=lambda _job, _now: {},
    failure=lambda _outcome: "AlgorithmError: See job logs for more information",
    deliver=_deliver,
    conclude=_conclude,
    passing=lambda _job, _now: {},
)
