"""Training jobs: from CreateTrainingJob's request to AWS's container contract and back."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from local_sagemaker.images import find_environment
from local_sagemaker.jobs.attempts import Attempts
from local_sagemaker.jobs.plan import (
    CONTAINER_ROOT,
    CheckpointPlace,
    Download,
    End,
    JobKind,
    Outcome,
    Phase,
    Plan,
)
from local_sagemaker.jobs.training_requests import (
    CHECKPOINTS,
    DAY,
    channels_of,
    check_request,
    input_mode,
    metrics_of,
)
from local_sagemaker.jobs.transfers import place, upload_archive, upload_folder
from local_sagemaker.listing import Listing
from local_sagemaker.s3_places import parse_s3_uri

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from local_sagemaker.access.grants import Objects
    from local_sagemaker.emulator import Emulator
    from local_sagemaker.images import Environment
    from local_sagemaker.store import Document

_LONGEST_REASON = 1024
# What is billed of the time of managed spot training: the service's price changes by the hour, and
# its announcement promises up to 90% less.
_SPOT_SHARE = 0.3
_MESSAGES = {
    "Starting": "Preparing the instances for training",
    "Downloading": "Downloading input data",
    "Training": "Training image download completed. Training in progress.",
    "Stopping": "Stopping the training job",
    "Uploading": "Uploading generated training model",
    "Interrupted": "Managed spot training instances were interrupted",
    "Completed": "Training job completed",
    "Failed": "Training job failed",
    "Stopped": "Training job stopped",
    "MaxRuntimeExceeded": "Training job runtime exceeded MaxRuntimeInSeconds provided",
    "MaxWaitTimeExceeded": "Training job wait time exceeded MaxWaitTimeInSeconds provided",
}
_SECONDARY = {
    Phase.STARTING: "Starting",
    Phase.DOWNLOADING: "Downloading",
    Phase.RUNNING: "Training",
    Phase.UPLOADING: "Uploading",
    Phase.INTERRUPTED: "Interrupted",
}
_OUT_OF_TIME = {End.TIMED_OUT: "MaxRuntimeExceeded", End.WAITED_OUT: "MaxWaitTimeExceeded"}


def _describe(request: Mapping[str, Any]) -> dict[str, object]:
    described = {key: value for key, value in request.items() if key != "Tags"}
    condition = described["StoppingCondition"]
    described["StoppingCondition"] = {"MaxRuntimeInSeconds": DAY, **condition}
    for switch in (
        "EnableNetworkIsolation",
        "EnableInterContainerTrafficEncryption",
        "EnableManagedSpotTraining",
    ):
        described.setdefault(switch, False)
    return described


def _plan(emulator: Emulator, job: Document) -> Plan:
    described: Mapping[str, Any] = job
    algorithm = described["AlgorithmSpecification"]
    environment = find_environment(algorithm["TrainingImage"], emulator.images)
    channels = channels_of(described)
    condition = described["StoppingCondition"]
    module = environment.image.training_module
    return Plan(
        kind=TRAINING,
        region=described["TrainingJobArn"].split(":")[3],
        name=described["TrainingJobName"],
        arn=described["TrainingJobArn"],
        role=described["RoleArn"],
        environment_folder=environment.folder,
        command=(
            *algorithm.get("ContainerEntrypoint", _own_command(described, environment)),
            *algorithm.get("ContainerArguments", []),
        ),
        variables={
            "TRAINING_JOB_NAME": described["TrainingJobName"],
            "TRAINING_JOB_ARN": described["TrainingJobArn"],
            **({"SAGEMAKER_TRAINING_MODULE": module} if module else {}),
            **described.get("Environment", {}),
        },
        downloads=tuple(
            Download(
                parse_s3_uri(channel["DataSource"]["S3DataSource"]["S3Uri"], member="S3Uri"),
                f"input/data/{channel['ChannelName']}",
                manifest=channel["DataSource"]["S3DataSource"]["S3DataType"] == "ManifestFile",
                sharded=_distribution(channel) == "ShardedByS3Key",
            )
            for channel in channels
        ),
        folders=("model", "output/data", "input/data"),
        files={
            "input/config/hyperparameters.json": described.get("HyperParameters", {}),
            "input/config/inputdataconfig.json": {
                channel["ChannelName"]: _input_config(described, channel) for channel in channels
            },
            **_checkpoint_files(described.get("CheckpointConfig")),
        },
        hosts=described["ResourceConfig"]["InstanceCount"],
        host_files=partial(_host_files, described),
        delivered=("model", "output/data"),
        metrics=metrics_of(described),
        image_metric=environment.image.metric,
        maximum_runtime=float(condition["MaxRuntimeInSeconds"]),
        maximum_wait=condition.get("MaxWaitTimeInSeconds"),
        checkpoints=_checkpoints(described.get("CheckpointConfig")),
        notice=environment.notice,
    )


def _own_command(described: Mapping[str, Any], environment: Environment) -> Sequence[str]:
    program = environment.image.algorithm
    script = "sagemaker_program" in described.get("HyperParameters", {}) or (
        "SAGEMAKER_PROGRAM" in described.get("Environment", {})
    )
    if program is None or script:
        # The service starts the image with this word, in AWS's images the toolkit's program.
        return (*environment.image.entrypoint, "train")
    return ("python3", str(program))


def _checkpoints(config: Mapping[str, str] | None) -> CheckpointPlace | None:
    if config is None:
        return None
    local = config.get("LocalPath", CHECKPOINTS).rstrip("/")
    return CheckpointPlace(
        parse_s3_uri(config["S3Uri"], member="S3Uri"), local.removeprefix(f"{CONTAINER_ROOT}/")
    )


def _checkpoint_files(config: Mapping[str, str] | None) -> dict[str, object]:
    if config is None:
        return {}
    return {"input/config/checkpointconfig.json": {"LocalPath": CHECKPOINTS, **config}}


def _distribution(channel: Mapping[str, Any]) -> str:
    source = channel["DataSource"]["S3DataSource"]
    return str(source.get("S3DataDistributionType", "FullyReplicated"))


def _input_config(described: Mapping[str, Any], channel: Mapping[str, Any]) -> dict[str, str]:
    config = {
        "TrainingInputMode": input_mode(described, channel),
        "S3DistributionType": _distribution(channel),
        "RecordWrapperType": "None",
    }
    if "ContentType" in channel:
        config["ContentType"] = channel["ContentType"]
    return config


def _host_files(
    described: Mapping[str, Any], names: tuple[str, ...], current: str
) -> dict[str, object]:
    instance_type = described["ResourceConfig"]["InstanceType"]
    config = {
        "current_host": current,
        "current_instance_type": instance_type,
        "current_group_name": "homogeneousCluster",
        "hosts": names,
        "instance_groups": [
            {
                "instance_group_name": "homogeneousCluster",
                "instance_type": instance_type,
                "hosts": names,
            }
        ],
        "network_interface_name": "lo",
    }
    return {"input/config/resourceconfig.json": config}


def _begin(job: Document, phase: Phase, *, now: float) -> dict[str, object]:
    changes = _enter(job, _SECONDARY[phase], now=now)
    if phase is Phase.DOWNLOADING:  # the first time: it may have been interrupted
        changes["TrainingStartTime"] = job.get("TrainingStartTime", now)
    return changes


def _enter(job: Mapping[str, Any], secondary: str, *, now: float) -> dict[str, object]:
    transitions = [dict(entry) for entry in job.get("SecondaryStatusTransitions", [])]
    if transitions:
        transitions[-1].setdefault("EndTime", now)
    entry = {"Status": secondary, "StartTime": now, "StatusMessage": _MESSAGES[secondary]}
    return {
        "SecondaryStatus": secondary,
        "SecondaryStatusTransitions": [*transitions, entry],
    }


def _failure(outcome: Outcome) -> str:
    file = place(outcome.root, "output/failure")
    told = ""
    if file.is_file():
        with file.open(encoding="utf-8", errors="replace") as text:
            told = text.read(_LONGEST_REASON)
    code = f", exit code: {outcome.exit_code}"
    reason = f"AlgorithmError: {told}"
    return reason[: _LONGEST_REASON - len(code)] + code


def _deliver(job: Document, outcome: Outcome, *, s3: Objects) -> dict[str, object]:
    described: Mapping[str, Any] = job
    config = described["OutputDataConfig"]
    target = parse_s3_uri(config["S3OutputPath"], member="S3OutputPath").below(
        f"{described['TrainingJobName']}/output"
    )
    failed = outcome.end is End.EXITED and outcome.exit_code != 0
    changes: dict[str, object] = {}
    if outcome.metrics:
        changes["FinalMetricDataList"] = [
            {"MetricName": name, "Value": value, "Timestamp": when}
            for name, (value, when) in outcome.metrics.items()
        ]
    data = place(outcome.root, "output/data")
    other = {path.name: path for path in sorted(data.glob("*"))}
    failure = place(outcome.root, "output/failure")
    if failed and failure.is_file():
        other["failure"] = failure
    if other:
        upload_archive(s3, other, target=target.below("output.tar.gz"))
    folder = place(outcome.root, "model")
    model = {path.name: path for path in sorted(folder.glob("*"))}
    if failed or (outcome.end is not End.EXITED and not model):
        return changes
    if config.get("CompressionType") == "NONE":
        upload_folder(s3, folder, target=target.below("model"))
        artifacts = f"{target.uri}/model/"
    else:
        upload_archive(s3, model, target=target.below("model.tar.gz"))
        artifacts = f"{target.uri}/model.tar.gz"
    return {**changes, "ModelArtifacts": {"S3ModelArtifacts": artifacts}}


def _conclude(job: Document, status: str, *, end: End, now: float) -> dict[str, object]:
    changes = _enter(job, _OUT_OF_TIME.get(end, status) if status == "Stopped" else status, now=now)
    transitions: Any = changes["SecondaryStatusTransitions"]
    transitions[-1]["EndTime"] = now
    changes["TrainingEndTime"] = now
    if "TrainingStartTime" in job:
        seconds = max(1, round(now - float(str(job["TrainingStartTime"]))))
        share = _SPOT_SHARE if job.get("EnableManagedSpotTraining") else 1
        changes |= {
            "TrainingTimeInSeconds": seconds,
            "BillableTimeInSeconds": max(1, int(seconds * share)),
        }
    return changes


def _passing(job: Mapping[str, Any], now: float) -> dict[str, object]:
    """Return what becomes of a warm pool, which here nothing is kept of and no job reuses."""
    period = job["ResourceConfig"].get("KeepAlivePeriodInSeconds")
    if not period:
        return {}
    if "TrainingEndTime" not in job:
        return {"WarmPoolStatus": {"Status": "InUse"}}
    kept = min(int(now - job["TrainingEndTime"]), period)
    return {
        "WarmPoolStatus": {
            "Status": "Available" if kept < period else "Terminated",
            "ResourceRetainedBillableTimeInSeconds": kept,
        }
    }


TRAINING = JobKind(
    noun="training",
    prefix="Training",
    log_group="/aws/sagemaker/TrainingJobs",
    name_taken=(
        "Training job names must be unique within an AWS account and region, and a training job"
        " with this name already exists"
    ),
    listing=Listing(
        answer="TrainingJobSummaries",
        name=lambda job: str(job["TrainingJobName"]),
        default_order="Ascending",
        members=(
            "TrainingJobName",
            "TrainingJobArn",
            "CreationTime",
            "TrainingEndTime",
            "LastModifiedTime",
            "TrainingJobStatus",
            "SecondaryStatus",
        ),
    ),
    check=check_request,
    describe=_describe,
    plan=_plan,
    run=Attempts.run,
    instance_type=lambda request: str(request["ResourceConfig"]["InstanceType"]),
    instance_count=lambda request: int(request["ResourceConfig"]["InstanceCount"]),
    create=lambda now: _enter({}, "Starting", now=now),
    begin=_begin,
    stopping=lambda job, now: _enter(job, "Stopping", now=now),
    failure=_failure,
    deliver=_deliver,
    conclude=_conclude,
    passing=_passing,
)
