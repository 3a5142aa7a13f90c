"""What is asked of a training job: refused where it cannot be had, and read."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from local_sagemaker.errors import RequestInvalidError
from local_sagemaker.jobs.plan import CONTAINER_ROOT
from local_sagemaker.patterns import ExpressionError, Pattern, compile_expression
from local_sagemaker.s3_places import parse_s3_uri

if TYPE_CHECKING:
    from collections.abc import Mapping

DAY = 86_400
CHECKPOINTS = f"{CONTAINER_ROOT}/checkpoints"
# Folders of /opt/ml with a meaning of their own.
_TAKEN = frozenset({"input", "model", "output"})


def check_request(request: Mapping[str, Any]) -> None:
    """Refuse what the service's model allows, and the service, or this emulator, does not.

    Raises:
        RequestInvalidError: Says which member, and why.
    """
    if not request.get("AlgorithmSpecification", {}).get("TrainingImage"):
        raise RequestInvalidError("AlgorithmSpecification.TrainingImage is missing.")
    resources = request.get("ResourceConfig", {})
    if not (resources.get("InstanceType") and resources.get("InstanceCount")):
        raise RequestInvalidError("ResourceConfig needs InstanceType and InstanceCount.")
    if "StoppingCondition" not in request:
        raise RequestInvalidError("StoppingCondition is missing.")
    _check_spot(request)
    _check_checkpoints(request.get("CheckpointConfig"))
    parse_s3_uri(
        request["OutputDataConfig"]["S3OutputPath"], member="OutputDataConfig.S3OutputPath"
    )
    channels = Counter(channel["ChannelName"] for channel in channels_of(request))
    if repeated := [name for name, count in channels.items() if count > 1]:
        raise RequestInvalidError(f"Names of channels must be unique: {repeated}.")
    if escaping := {".", ".."} & set(channels):
        raise RequestInvalidError(f"{escaping} cannot be a channel's name: it names a folder.")
    for channel in channels_of(request):
        where = f"InputDataConfig, {channel['ChannelName']}"
        source = channel["DataSource"].get("S3DataSource")
        if source is None:
            raise RequestInvalidError(f"{where}: DataSource.S3DataSource is missing.")
        parse_s3_uri(source["S3Uri"], member=f"{where}: S3Uri")
        if input_mode(request, channel) == "FastFile" and source["S3DataType"] != "S3Prefix":
            raise RequestInvalidError(f"{where}: FastFile mode takes an S3Prefix only.")
    metrics_of(request)


def _check_spot(request: Mapping[str, Any]) -> None:
    condition = request["StoppingCondition"]
    wait = condition.get("MaxWaitTimeInSeconds")
    if not request.get("EnableManagedSpotTraining"):
        if wait is not None:
            raise RequestInvalidError(
                "Invalid MaxWaitTimeInSeconds. It is only supported when"
                " EnableManagedSpotTraining is set to true"
            )
        return
    if wait is None or wait < condition.get("MaxRuntimeInSeconds", DAY):
        raise RequestInvalidError(
            "Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to"
            " MaxRuntimeInSeconds when EnableManagedSpotTraining is set to true"
        )
    if request["ResourceConfig"].get("KeepAlivePeriodInSeconds"):
        raise RequestInvalidError(
            "ResourceConfig.KeepAlivePeriodInSeconds: there are no warm pools for managed spot"
            " training."
        )


def _check_checkpoints(config: Mapping[str, str] | None) -> None:
    if config is None:
        return
    parse_s3_uri(config["S3Uri"], member="CheckpointConfig.S3Uri")
    path = config.get("LocalPath", CHECKPOINTS)
    parts = path.rstrip("/").removeprefix(f"{CONTAINER_ROOT}/").split("/")
    if not path.startswith(f"{CONTAINER_ROOT}/") or {"", ".", ".."} & set(parts) or "\0" in path:
        raise RequestInvalidError(
            f"CheckpointConfig.LocalPath must be a path below {CONTAINER_ROOT}/, not {path!r}."
        )
    if parts[0] in _TAKEN:
        raise RequestInvalidError(
            f"CheckpointConfig.LocalPath: {CONTAINER_ROOT}/{parts[0]} is not for checkpoints."
        )


def metrics_of(request: Mapping[str, Any]) -> tuple[tuple[str, Pattern], ...]:
    """Return the names and expressions of a request's metrics.

    Raises:
        RequestInvalidError: One is not a regular expression.
    """
    definitions = request["AlgorithmSpecification"].get("MetricDefinitions", [])
    try:
        return tuple((entry["Name"], compile_expression(entry["Regex"])) for entry in definitions)
    except ExpressionError as error:
        raise RequestInvalidError(
            "AlgorithmSpecification.MetricDefinitions: a Regex is not a regular"
            f" expression: {error}"
        ) from error


def input_mode(request: Mapping[str, Any], channel: Mapping[str, Any]) -> str:
    """Return how a channel is read: ``File`` or ``FastFile``."""
    algorithm = request["AlgorithmSpecification"]
    return str(channel.get("InputMode", algorithm["TrainingInputMode"]))


def channels_of(request: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return a request's channels."""
    return list(request.get("InputDataConfig", []))
