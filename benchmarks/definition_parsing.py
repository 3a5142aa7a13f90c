"""How long 50 SageMaker Pipelines definitions of 20 steps take to become DAGs, beyond Airflow.

    .venv/bin/python benchmarks/definition_parsing.py

Airflow, the SageMaker operators and this library are imported before the clock starts. The time
holds one parse of botocore's model of SageMaker, which references into Describe answers are checked
against, and the serialization that the DAG processor does with each DAG.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


def definition(steps: int) -> str:
    """A chain of processing and training steps, each of which refers to the one before."""
    found: list[dict[str, Any]] = []
    for number in range(0, steps - 2, 2):
        before = f"Steps.Train{number - 2}.ModelArtifacts.S3ModelArtifacts"
        uri: Any = {"Get": before} if number else "s3://bucket/data/"
        found += [
            _processing(f"Process{number}", uri),
            _training(f"Train{number}", f"Process{number}"),
        ]
    report = {"Get": f"Steps.Process{steps - 4}.PropertyFiles.Report"}
    condition = {
        "Type": "GreaterThan",
        "LeftValue": {"Std:JsonGet": {"PropertyFile": report, "Path": "metrics.score.value"}},
        "RightValue": {"Get": "Parameters.Threshold"},
    }
    fail = {"Name": "Stop", "Type": "Fail", "Arguments": {"ErrorMessage": "not good enough"}}
    found.append(
        {
            "Name": "Check",
            "Type": "Condition",
            "Arguments": {"Conditions": [condition], "IfSteps": [], "ElseSteps": [fail]},
        }
    )
    parameters = [{"Name": "Threshold", "Type": "Float", "DefaultValue": 0.5}]
    return json.dumps({"Version": "2020-12-01", "Parameters": parameters, "Steps": found})


def _processing(name: str, uri: Any) -> dict[str, Any]:
    s3 = {"S3Uri": uri, "LocalPath": "/opt/ml/processing/input", "S3DataType": "S3Prefix"}
    output = {
        "S3Uri": f"s3://bucket/{name}",
        "LocalPath": "/opt/ml/processing/output",
        "S3UploadMode": "EndOfJob",
    }
    cluster = {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 30}
    arguments = {
        "RoleArn": "arn:aws:iam::123456789012:role/role",
        "AppSpecification": {"ImageUri": "image", "ContainerEntrypoint": ["python3", "x.py"]},
        "ProcessingInputs": [{"InputName": "data", "S3Input": s3}],
        "ProcessingOutputConfig": {"Outputs": [{"OutputName": "out", "S3Output": output}]},
        "ProcessingResources": {"ClusterConfig": cluster},
    }
    file = {"PropertyFileName": "Report", "OutputName": "out", "FilePath": "report.json"}
    return {"Name": name, "Type": "Processing", "Arguments": arguments, "PropertyFiles": [file]}


def _training(name: str, before: str) -> dict[str, Any]:
    uri = {"Get": f"Steps.{before}.ProcessingOutputConfig.Outputs['out'].S3Output.S3Uri"}
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri}}
    arguments = {
        "AlgorithmSpecification": {"TrainingImage": "image", "TrainingInputMode": "File"},
        "InputDataConfig": [{"ChannelName": "train", "DataSource": source}],
        "OutputDataConfig": {"S3OutputPath": "s3://bucket/model"},
        "ResourceConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 30},
        "RoleArn": "arn:aws:iam::123456789012:role/role",
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
    }
    return {"Name": name, "Type": "Training", "Arguments": arguments}


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--definitions", type=int, default=50)
    parser.add_argument("--steps", type=int, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {
            "AIRFLOW_HOME": folder,
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        }
        sys.path.insert(0, str(ROOT / "plugins"))
        from airflow.serialization.serialized_objects import DagSerialization  # noqa: PLC0415
        from retraining.sagemaker_pipelines.compiler import pipeline_dag  # noqa: PLC0415

        text = definition(options.steps)
        files = [Path(folder, f"pipeline_{number}.json") for number in range(options.definitions)]
        for file in files:
            file.write_text(text)
        begin, cpu = time.perf_counter(), time.process_time()
        dags = [pipeline_dag(file) for file in files]
        compiled, compiled_cpu = time.perf_counter() - begin, time.process_time() - cpu
        for dag in dags:
            DagSerialization.to_dict(dag)
        whole, whole_cpu = time.perf_counter() - begin, time.process_time() - cpu
        tasks = sum(len(dag.tasks) for dag in dags)
        print(f"{len(dags)} definitions, {tasks} steps")
        print(f"compiled:             {compiled:.2f} s ({compiled_cpu:.2f} s of processor time)")
        print(f"compiled, serialized: {whole:.2f} s ({whole_cpu:.2f} s of processor time)")


if __name__ == "__main__":
    main()
