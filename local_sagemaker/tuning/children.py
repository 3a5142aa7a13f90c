"""A tuner's training jobs, as requests of their own."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

# Another place for ResourceConfig's members, which SDK 2 takes.
TUNING_RESOURCES = "HyperParameterTuningResourceConfig"
# Of the definition, what is not the training job's.
_TUNERS_OWN = ("DefinitionName", "StaticHyperParameters", TUNING_RESOURCES)


def training_members(tuner: Mapping[str, Any], values: Mapping[str, str]) -> dict[str, Any]:
    """Return CreateTrainingJob's members without what tells one training job from the others.

    Args:
        tuner: The request or the description.
        values: The tuned hyperparameters.
    """
    definition = tuner["TrainingJobDefinition"]
    objective = tuner["HyperParameterTuningJobConfig"]["HyperParameterTuningJobObjective"]
    resources = definition.get(TUNING_RESOURCES)
    return {
        **{name: value for name, value in definition.items() if name not in _TUNERS_OWN},
        **({"ResourceConfig": resources} if resources else {}),
        "HyperParameters": {
            **definition.get("StaticHyperParameters", {}),
            **values,
            "_tuning_objective_metric": objective["MetricName"],
        },
    }


def training_request(
    tuner: Mapping[str, Any], *, number: int, values: Mapping[str, str]
) -> dict[str, Any]:
    """Return the request for a training job, without tags.

    Args:
        tuner: The description.
        number: The training job's, from 1. Its name follows from it, so that none is made twice.
        values: The tuned hyperparameters.
    """
    told = f"{tuner['HyperParameterTuningJobArn']}/{tuner['CreationTime']}/{number}"
    name = f"{tuner['HyperParameterTuningJobName']}-{number:03}-{zlib.crc32(told.encode()):08x}"
    members = training_members(tuner, values)
    if checkpoints := members.get("CheckpointConfig"):
        # Each has a folder of its own, or it would go on from another's.
        place = f"{checkpoints['S3Uri'].rstrip('/')}/{name}"
        members["CheckpointConfig"] = {**checkpoints, "S3Uri": place}
    return {**members, "TrainingJobName": name}
