"""Tunes with the `sagemaker` SDK, and puts data through the best model with its Transformer."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from sagemaker.core.helper.session_helper import Session
from sagemaker.core.parameter import (
    CategoricalParameter,
    ContinuousParameter,
    IntegerParameter,
)
from sagemaker.core.resources import Model, TrainingJob
from sagemaker.core.shapes import ContainerDefinition
from sagemaker.core.training.configs import Compute, SourceCode, StoppingCondition
from sagemaker.core.transformer import Transformer
from sagemaker.train.model_trainer import ModelTrainer
from sagemaker.train.tuner import HyperparameterTuner

TRAIN = """
import os, pathlib, shutil
data = pathlib.Path(os.environ["SM_CHANNEL_TRAIN"], "rows.csv").read_text().split()
slope = float(os.environ["SM_HP_SLOPE"])
loss = sum((slope * x - y) ** 2 for x, y in (map(float, row.split(",")) for row in data))
print(f"loss={loss:.6f}; {os.environ['SM_HP_KIND']} {os.environ['SM_HP_DEPTH']}")
model = pathlib.Path(os.environ["SM_MODEL_DIR"])
(model / "slope").write_text(str(slope))
(model / "code").mkdir()
shutil.copy(pathlib.Path(__file__).with_name("inference.py"), model / "code")
"""
INFERENCE = """
import pathlib
import numpy as np

def model_fn(model_dir):
    return float(pathlib.Path(model_dir, "slope").read_text())

def predict_fn(rows, slope):
    return np.round(rows * slope, 2)
"""


def tune(settings: dict[str, Any], session: Session, folder: Path) -> HyperparameterTuner:
    (folder / "train.py").write_text(TRAIN)
    (folder / "inference.py").write_text(INFERENCE)
    trainer = ModelTrainer(
        sagemaker_session=session,
        role=settings["role"],
        training_image=settings["image"],
        source_code=SourceCode(source_dir=str(folder), entry_script="train.py"),
        compute=Compute(instance_type="ml.m5.large", instance_count=1, volume_size_in_gb=1),
        stopping_condition=StoppingCondition(max_runtime_in_seconds=60),
        hyperparameters={"kind": "linear", "depth": 9},
        base_job_name="sdk-tuned",
    )
    tuner = HyperparameterTuner(
        model_trainer=trainer,
        objective_metric_name="loss",
        objective_type="Minimize",
        metric_definitions=[{"Name": "loss", "Regex": "loss=(.*?);"}],
        hyperparameter_ranges={
            "slope": ContinuousParameter(1, 3, scaling_type="Logarithmic"),
            "depth": IntegerParameter(2, 4),
            "kind": CategoricalParameter(["linear", "other"]),
        },
        strategy="Bayesian",
        max_jobs=5,
        max_parallel_jobs=2,
        random_seed=3,
        tags=[{"Key": "team", "Value": "data"}],
    )
    tuner.tune(inputs={"train": settings["train"]}, job_name=settings["tuner"], wait=True)
    return tuner


def main() -> None:
    settings = json.load(sys.stdin)
    session = Session(default_bucket=settings["bucket"])
    with tempfile.TemporaryDirectory() as folder:
        tuner = tune(settings, session, Path(folder))
    best = TrainingJob.get(tuner.best_training_job())
    model = Model.create(
        model_name=settings["tuner"],
        execution_role_arn=settings["role"],
        primary_container=ContainerDefinition(
            image=settings["image"],
            model_data_url=best.model_artifacts.s3_model_artifacts,
            environment={
                "SAGEMAKER_PROGRAM": "inference.py",
                "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
            },
        ),
    )
    transformer = Transformer(
        model_name=model.model_name,
        instance_count=1,
        instance_type="ml.m5.large",
        strategy="MultiRecord",
        assemble_with="Line",
        accept="text/csv",
        output_path=settings["out"],
        max_payload=1,
        env={"STAGE": "test"},
        sagemaker_session=session,
    )
    transformer.transform(
        data=settings["data"],
        content_type="text/csv",
        split_type="Line",
        input_filter="$[1:]",
        join_source="Input",
        output_filter="$[0,-1]",
        model_client_config={"InvocationsTimeoutInSeconds": 60, "InvocationsMaxRetries": 1},
        wait=True,
        logs=True,
    )
    described = tuner.describe()
    results = {
        "status": described.hyper_parameter_tuning_job_status,
        "completed": described.training_job_status_counters.completed,
        "best": best.training_job_name,
        "slope": float(best.hyper_parameters["slope"]),
        "transform": transformer.latest_transform_job.transform_job_name,
    }
    Path(sys.argv[1]).write_text(json.dumps(results))


if __name__ == "__main__":
    main()
