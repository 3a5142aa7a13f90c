"""An Airflow DAG of a ForEach step: a processing job for each item, and what reads its iterations.

An item is a JSON object: how large a volume its job asks for, and with which code that job ends.
"""

from __future__ import annotations

import json
from typing import Any

from retraining.sagemaker_pipelines.compiler import pipeline_dag
from retraining.sagemaker_pipelines.definition import read

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-py312-cpu-py3"
ROLE = "arn:aws:iam::123456789012:role/gated-retraining-local"


def get(path: str) -> dict[str, str]:
    """Return a reference."""
    return {"Get": path}


def processing(name: str, argument: Any, volume: Any) -> dict[str, Any]:
    """Return a step whose job ends with the code that its argument says."""
    cluster = {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": volume}
    program = "import sys; print(sys.argv[1]); sys.exit(0 if sys.argv[1] != '1' else 1)"
    return {
        "Name": name,
        "Type": "Processing",
        "Arguments": {
            "RoleArn": ROLE,
            "AppSpecification": {
                "ImageUri": IMAGE,
                "ContainerEntrypoint": ["python3", "-c", program],
                "ContainerArguments": [argument],
            },
            "ProcessingResources": {"ClusterConfig": cluster},
        },
    }


volume = "ProcessingResources.ClusterConfig.VolumeSizeInGB"
fan = {
    "Name": "Fan",
    "Type": "ForEach",
    "Arguments": {
        "IterableItems": get("Parameters.Items"),
        "MaxConcurrency": 2,
        "Selector": {"Pick": "MaxBy", "Field": get(f"IterationOutput.Work.{volume}")},
        "ForEachBody": [
            processing("Work", get("ForEach.CurrentItem.code"), get("ForEach.CurrentItem.gb")),
            processing("After", get("Steps.Work.ProcessingJobName"), 1),
        ],
    },
}
said = [
    get("Steps.Fan.Status"),
    get(f"Steps.Fan.Selected.{volume}"),
    get(f"Steps.Fan.IterationOutputs[0].Work.{volume}"),
    get("Steps.Fan.IterationOutputs[2].After.AppSpecification.ContainerArguments[0]"),
    get("Steps.Fan.SucceededStepCount"),
]
told = {
    "Name": "Tell",
    "Type": "Fail",
    "Arguments": {"ErrorMessage": {"Std:Join": {"On": " ", "Values": said}}},
}
failed = {
    "Name": "TellFailure",
    "Type": "Fail",
    "Arguments": {
        "ErrorMessage": {
            "Std:Join": {
                "On": " ",
                "Values": [get("Steps.Fan.Status"), get("Steps.Fan.FailedStepCount")],
            }
        }
    },
    "DependsOn": [{"Step": "Fan", "Trigger": "Failed"}],
}
check = {
    "Name": "Check",
    "Type": "Condition",
    "Arguments": {
        "Conditions": [{"Type": "Equals", "LeftValue": get("Parameters.Go"), "RightValue": True}],
        "IfSteps": [fan, told, failed],
        "ElseSteps": [],
    },
}
parameters = [
    {"Name": "Items", "Type": "String", "DefaultValue": "[]"},
    {"Name": "Go", "Type": "Boolean", "DefaultValue": True},
]
wire = {"Version": "2020-12-01", "Parameters": parameters, "Steps": [check]}
pipeline_dag(read(json.dumps(wire), "for-each"))
