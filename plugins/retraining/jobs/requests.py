"""Pure builders of SageMaker requests: values in, boto3 dictionaries out.

A value may be a Jinja template, as builders are called where a DAG is defined. No builder sets a
job's name: the operator computes it from the rendered request.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from retraining import naming

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Request = dict[str, object]

_PROCESSING = "/opt/ml/processing"
# An hour, in which a night's job should be over.
MAX_RUNTIME_S = 3600
_VOLUME_GB = 30


def processing_job(
    *,
    image_uri: str,
    role_arn: str,
    instance_type: str,
    code_uri: str,
    script: str,
    arguments: Sequence[str],
    inputs: Mapping[str, str],
    outputs: Mapping[str, str],
    max_runtime_s: int = MAX_RUNTIME_S,
) -> Request:
    """Build a CreateProcessingJob request that runs one of the pipeline's scripts.

    Args:
        image_uri: The container image.
        role_arn: The role that the job assumes.
        instance_type: Such as ``ml.m5.large``.
        code_uri: The folder of the code version, from ``naming.code_uri``.
        script: The file name of the script.
        arguments: Its command line. Inputs and outputs lie where ``input_path`` and
            ``output_path`` say.
        inputs: The S3 folder or object of each input by its name.
        outputs: The S3 folder of each output by its name; uploaded when the job ends.
        max_runtime_s: After so many seconds the service stops the job.
    """
    code = {"code": naming.scripts_uri(code_uri), **inputs}
    return {
        "RoleArn": role_arn,
        "AppSpecification": {
            "ImageUri": image_uri,
            "ContainerEntrypoint": ["python3", f"{input_path('code')}/{script}"],
            # The service takes no empty list.
            **({"ContainerArguments": list(arguments)} if arguments else {}),
        },
        "ProcessingInputs": [
            {
                "InputName": name,
                "S3Input": {
                    "S3Uri": uri,
                    "LocalPath": input_path(name),
                    "S3DataType": "S3Prefix",
                    "S3InputMode": "File",
                },
            }
            for name, uri in code.items()
        ],
        "ProcessingOutputConfig": {
            "Outputs": [
                {
                    "OutputName": name,
                    "S3Output": {
                        "S3Uri": uri,
                        "LocalPath": output_path(name),
                        "S3UploadMode": "EndOfJob",
                    },
                }
                for name, uri in outputs.items()
            ]
        },
        "ProcessingResources": {
            "ClusterConfig": {
                "InstanceCount": 1,
                "InstanceType": instance_type,
                "VolumeSizeInGB": _VOLUME_GB,
            }
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": max_runtime_s},
    }


def input_path(name: str) -> str:
    """Return where a processing job finds an input."""
    return f"{_PROCESSING}/input/{name}"


def output_path(name: str = "") -> str:
    """Return where a processing job writes an output; without a name, the folder of all."""
    return f"{_PROCESSING}/output/{name}".rstrip("/")


def training_job(
    *,
    image_uri: str,
    role_arn: str,
    instance_type: str,
    code_uri: str,
    script: str | None,
    hyperparameters: Mapping[str, str],
    channels: Mapping[str, str],
    output_uri: str,
    metrics: Mapping[str, str],
    content_type: str | None = None,
    max_runtime_s: int = MAX_RUNTIME_S,
) -> Request:
    """Build a CreateTrainingJob request: in script mode, or of the image's own algorithm.

    Args:
        image_uri: The container image; for a script it has AWS's training toolkit.
        role_arn: The role that the job assumes.
        instance_type: Such as ``ml.m5.large``.
        code_uri: The folder of the code version, from ``naming.code_uri``.
        script: The file name of the training script; None for the image's own algorithm.
        hyperparameters: The script's command line, ``--name value`` each; or what the algorithm
            takes.
        channels: The S3 folder of each input channel by its name.
        output_uri: The folder below which the job puts ``<job>/output/model.tar.gz``.
        metrics: A regular expression over the log for each metric by its name; an algorithm of
            AWS's has its own, and takes none.
        content_type: Of the channels' objects; None leaves it to the image.
        max_runtime_s: After so many seconds the service stops the job.
    """
    if script is None:
        values = dict(hyperparameters)
    else:
        toolkit = {
            "sagemaker_program": script,
            "sagemaker_submit_directory": naming.source_archive_uri(code_uri),
        }
        # The toolkit decodes each hyperparameter from JSON.
        values = {
            name: json.dumps(value) for name, value in (toolkit | dict(hyperparameters)).items()
        }
    of_metrics = [{"Name": name, "Regex": regex} for name, regex in metrics.items()]
    of_content = {"ContentType": content_type} if content_type else {}
    return {
        "RoleArn": role_arn,
        "AlgorithmSpecification": {
            "TrainingImage": image_uri,
            "TrainingInputMode": "File",
            **({"MetricDefinitions": of_metrics} if of_metrics else {}),
        },
        "HyperParameters": values,
        "InputDataConfig": [
            {
                "ChannelName": name,
                "DataSource": {
                    "S3DataSource": {
                        "S3DataType": "S3Prefix",
                        "S3Uri": uri,
                        "S3DataDistributionType": "FullyReplicated",
                    }
                },
                **of_content,
            }
            for name, uri in channels.items()
        ],
        "OutputDataConfig": {"S3OutputPath": output_uri},
        "ResourceConfig": {
            "InstanceCount": 1,
            "InstanceType": instance_type,
            "VolumeSizeInGB": _VOLUME_GB,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": max_runtime_s},
    }


def with_checkpoints(request: Request, uri: str) -> Request:
    """Add to a CreateTrainingJob request that the service keeps ``/opt/ml/checkpoints`` on S3.

    Args:
        request: The request.
        uri: The folder; what lies there when the job starts is copied into it.
    """
    return request | {"CheckpointConfig": {"S3Uri": uri}}


def on_spare_capacity(request: Request, *, wait_s: int) -> Request:
    """Let a CreateTrainingJob request be for capacity that the service may take back.

    Args:
        request: The request.
        wait_s: The seconds for waiting and running together.

    Raises:
        ValueError: They are fewer than the job may run.
    """
    condition: Any = request["StoppingCondition"]
    runtime_s = condition["MaxRuntimeInSeconds"]
    if wait_s < runtime_s:
        raise ValueError(f"spot_wait_s={wait_s} is less than max_runtime_s={runtime_s}")
    condition = condition | {"MaxWaitTimeInSeconds": wait_s}
    return request | {"EnableManagedSpotTraining": True, "StoppingCondition": condition}
