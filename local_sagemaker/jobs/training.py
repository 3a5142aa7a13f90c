"""Training jobs: from CreateTrainingJob's request to AWS's container contract and back."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from local_sagemaker.errors import RequestInvalidError
from local_sagemaker.jobs.plan import Download, End, JobKind, Outcome, Phase, Plan
from local_sagemaker.jobs.transfers import upload_archive, upload_folder
from local_sagemaker.listing import Listing
from local_sagemaker.patterns import ExpressionError, Pattern, compile_expression
from local_sagemaker.s3_places import parse_s3_uri

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from local_sagemaker.images import Environment
    from local_sagemaker.s3_state import S3State
    from local_sagemaker.store import Document

_DAY = 86_400
_LONGEST_REASON = 1024
# The service names its hosts algo-1 and so on; AWS's toolkit waits until the name resolves, and
# this one does.
_HOST = "localhost"
_MESSAGES = {
    "Starting": "Preparing the instances for training",
    "Downloading": "Downloading input data",
    "Training": "Training image download completed. Training in progress.",
    "Stopping": "Stopping the training job",
    "Uploading": "Uploading generated training model",
    "Completed": "Training job completed",
    "Failed": "Training job failed",
    "Stopped": "Training job stopped",
    "MaxRuntimeExceeded": "Training job runtime exceeded MaxRuntimeInSeconds provided",
}
_SECONDARY = {
    Phase.DOWNLOADING: "Downloading",
    Phase.RUNNING: "Training",
    Phase.UPLOADING: "Uploading",
}


def _check(request: Mapping[str, Any]) -> None:
    if not request.get("AlgorithmSpecification", {}).get("TrainingImage"):
        raise RequestInvalidError("AlgorithmSpecification.TrainingImage is missing.")
    resources = request.get("ResourceConfig", {})
    if not (resources.get("InstanceType") and resources.get("InstanceCount")):
        raise RequestInvalidError("ResourceConfig needs InstanceType and InstanceCount.")
    if "StoppingCondition" not in request:
        raise RequestInvalidError("StoppingCondition is missing.")
    parse_s3_uri(
        request["OutputDataConfig"]["S3OutputPath"], member="OutputDataConfig.S3OutputPath"
    )
    channels = Counter(channel["ChannelName"] for channel in _channels(request))
    if repeated := [name for name, count in channels.items() if count > 1]:
        raise RequestInvalidError(f"Names of channels must be unique: {repeated}.")
    if escaping := {".", ".."} & set(channels):
        raise RequestInvalidError(f"{escaping} cannot be a channel's name: it names a folder.")
    for channel in _channels(request):
        where = f"InputDataConfig, {channel['ChannelName']}"
        source = channel["DataSource"].get("S3DataSource")
        if source is None:
            raise RequestInvalidError(f"{where}: DataSource.S3DataSource is missing.")
        parse_s3_uri(source["S3Uri"], member=f"{where}: S3Uri")
    _metrics(request)


def _metrics(request: Mapping[str, Any]) -> tuple[tuple[str, Pattern], ...]:
    definitions = request["AlgorithmSpecification"].get("MetricDefinitions", [])
    try:
        return tuple((entry["Name"], compile_expression(entry["Regex"])) for entry in definitions)
    except ExpressionError as error:
        raise RequestInvalidError(
            "AlgorithmSpecification.MetricDefinitions: a Regex is not a regular"
            f" expression: {error}"
        ) from error


def _describe(request: Mapping[str, Any]) -> dict[str, object]:
    described = {key: value for key, value in request.items() if key != "Tags"}
    condition = described["StoppingCondition"]
    described["StoppingCondition"] = {"MaxRuntimeInSeconds": _DAY, **condition}
    for switch in (
        "EnableNetworkIsolation",
        "EnableInterContainerTrafficEncryption",
        "EnableManagedSpotTraining",
    ):
        described.setdefault(switch, False)
    return described


def _plan(job: Document, environment: Environment) -> Plan:
    described: Mapping[str, Any] = job
    algorithm = described["AlgorithmSpecification"]
    channels = _channels(described)
    module = environment.image.training_module
    return Plan(
        kind=TRAINING,
        region=described["TrainingJobArn"].split(":")[3],
        name=described["TrainingJobName"],
        arn=described["TrainingJobArn"],
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
            )
            for channel in channels
        ),
        folders=("model", "output/data", "input/data"),
        files={
            "input/config/hyperparameters.json": described.get("HyperParameters", {}),
            "input/config/inputdataconfig.json": {
                channel["ChannelName"]: _input_config(channel) for channel in channels
            },
            "input/config/resourceconfig.json": _resource_config(described),
        },
        metrics=_metrics(described),
        image_metric=environment.image.metric,
        maximum_runtime=float(described["StoppingCondition"]["MaxRuntimeInSeconds"]),
    )


def _own_command(described: Mapping[str, Any], environment: Environment) -> Sequence[str]:
    program = environment.image.algorithm
    script = "sagemaker_program" in described.get("HyperParameters", {}) or (
        "SAGEMAKER_PROGRAM" in described.get("Environment", {})
    )
    if program is None or script:
        # The service starts the image with this word, in AWS's images the toolkit's program.
        return ("train",)
    return ("python3", str(program))


def _input_config(channel: Mapping[str, Any]) -> dict[str, str]:
    source = channel["DataSource"]["S3DataSource"]
    config = {
        "TrainingInputMode": "File",
        "S3DistributionType": source.get("S3DataDistributionType", "FullyReplicated"),
        "RecordWrapperType": "None",
    }
    if "ContentType" in channel:
        config["ContentType"] = channel["ContentType"]
    return config


def _resource_config(described: Mapping[str, Any]) -> dict[str, object]:
    instance_type = described["ResourceConfig"]["InstanceType"]
    return {
        "current_host": _HOST,
        "current_instance_type": instance_type,
        "current_group_name": "homogeneousCluster",
        "hosts": [_HOST],
        "instance_groups": [
            {
                "instance_group_name": "homogeneousCluster",
                "instance_type": instance_type,
                "hosts": [_HOST],
            }
        ],
        "network_interface_name": "lo",
    }


def _begin(job: Document, phase: Phase, *, now: float) -> dict[str, object]:
    changes = _enter(job, _SECONDARY[phase], now=now)
    if phase is Phase.DOWNLOADING:
        changes["TrainingStartTime"] = now
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
    file = outcome.root / "output" / "failure"
    told = ""
    if file.is_file():
        with file.open(encoding="utf-8", errors="replace") as text:
            told = text.read(_LONGEST_REASON)
    code = f", exit code: {outcome.exit_code}"
    reason = f"AlgorithmError: {told}"
    return reason[: _LONGEST_REASON - len(code)] + code


def _deliver(job: Document, outcome: Outcome, *, s3: S3State) -> dict[str, object]:
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
    data = outcome.root / "output" / "data"
    other = {path.name: path for path in sorted(data.glob("*"))}
    failure = outcome.root / "output" / "failure"
    if failed and failure.is_file():
        other["failure"] = failure
    if other:
        upload_archive(s3, other, target=target.below("output.tar.gz"))
    model = {path.name: path for path in sorted((outcome.root / "model").glob("*"))}
    if failed or (outcome.end is not End.EXITED and not model):
        return changes
    if config.get("CompressionType") == "NONE":
        upload_folder(s3, outcome.root / "model", target=target.below("model"))
        artifacts = f"{target.uri}/model/"
    else:
        upload_archive(s3, model, target=target.below("model.tar.gz"))
        artifacts = f"{target.uri}/model.tar.gz"
    return {**changes, "ModelArtifacts": {"S3ModelArtifacts": artifacts}}


def _conclude(job: Document, status: str, *, end: End, now: float) -> dict[str, object]:
    timed_out = status == "Stopped" and end is End.TIMED_OUT
    changes = _enter(job, "MaxRuntimeExceeded" if timed_out else status, now=now)
    transitions: Any = changes["SecondaryStatusTransitions"]
    transitions[-1]["EndTime"] = now
    changes["TrainingEndTime"] = now
    if "TrainingStartTime" in job:
        seconds = max(1, round(now - float(str(job["TrainingStartTime"]))))
        changes |= {"TrainingTimeInSeconds": seconds, "BillableTimeInSeconds": seconds}
    return changes


def _channels(request: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return list(request.get("InputDataConfig", []))


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
        identity="TrainingJobName",
        sort_keys={
            "CreationTime": lambda job: float(str(job["CreationTime"])),
            "Name": lambda job: str(job["TrainingJobName"]),
            "Status": lambda job: str(job["TrainingJobStatus"]),
        },
        default_order="Ascending",
        equals={"StatusEquals": "TrainingJobStatus"},
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
    check=_check,
    describe=_describe,
    plan=_plan,
    image=lambda request: str(request["AlgorithmSpecification"]["TrainingImage"]),
    instance_type=lambda request: str(request["ResourceConfig"]["InstanceType"]),
    create=lambda now: _enter({}, "Starting", now=now),
    begin=_begin,
    stopping=lambda job, now: _enter(job, "Stopping", now=now),
    failure=_failure,
    deliver=_deliver,
    conclude=_conclude,
)
