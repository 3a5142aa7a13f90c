"""Runs jobs with the `sagemaker` SDK; the settings come on stdin, results go to a file."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from sagemaker.core.helper.session_helper import Session
from sagemaker.core.processing import ScriptProcessor
from sagemaker.core.resources import (
    ModelPackage,
    ModelPackageGroup,
    ProcessingJob,
    TrainingJob,
)
from sagemaker.core.shapes import (
    ProcessingInput,
    ProcessingOutput,
    ProcessingS3Input,
    ProcessingS3Output,
)
from sagemaker.core.training.configs import Compute, InputData, SourceCode, StoppingCondition
from sagemaker.train.model_trainer import ModelTrainer


def process(settings: dict[str, Any], session: Session, folder: Path) -> dict[str, Any]:
    script = folder / "process.py"
    script.write_text("open('/opt/ml/processing/output/x', 'w').write('processed')\n")
    processor = ScriptProcessor(
        role=settings["role"],
        image_uri=settings["image"],
        command=["python3"],
        instance_count=1,
        instance_type="ml.m5.large",
        sagemaker_session=session,
        base_job_name="processing-sdk",
    )
    processor.run(
        code=str(script),
        inputs=[
            ProcessingInput(
                input_name="data",
                s3_input=ProcessingS3Input(
                    s3_uri=settings["data"],
                    local_path="/opt/ml/processing/input/data",
                    s3_data_type="S3Prefix",
                    s3_input_mode="File",
                ),
            )
        ],
        outputs=[
            ProcessingOutput(
                output_name="out",
                s3_output=ProcessingS3Output(
                    s3_uri=settings["out"],
                    local_path="/opt/ml/processing/output",
                    s3_upload_mode="EndOfJob",
                ),
            )
        ],
        wait=True,
        logs=True,
    )
    job = ProcessingJob.get(processor.latest_job.processing_job_name)
    return {"name": job.processing_job_name, "status": job.processing_job_status}


def train(settings: dict[str, Any], session: Session, folder: Path) -> dict[str, Any]:
    source = folder / "source"
    source.mkdir()
    (source / "train.py").write_text(
        "import os, pathlib\n"
        "data = pathlib.Path(os.environ['SM_CHANNEL_TRAIN'], 'in.csv').read_text()\n"
        "pathlib.Path(os.environ['SM_MODEL_DIR'], 'model').write_text(data)\n"
        "print('trained by the SDK')\n"
    )
    trainer = ModelTrainer(
        sagemaker_session=session,
        role=settings["role"],
        training_image=settings["image"],
        source_code=SourceCode(source_dir=str(source), entry_script="train.py"),
        compute=Compute(instance_type="ml.m5.large", instance_count=1, volume_size_in_gb=1),
        stopping_condition=StoppingCondition(max_runtime_in_seconds=60),
        base_job_name="training-sdk",
    )
    trainer.train(
        input_data_config=[InputData(channel_name="train", data_source=settings["data"])],
        wait=True,
        logs=True,
    )
    job = TrainingJob.get(trainer._latest_training_job.training_job_name)
    return {
        "name": job.training_job_name,
        "status": job.training_job_status,
        "model": job.model_artifacts.s3_model_artifacts,
        "listed": [listed.training_job_name for listed in TrainingJob.get_all()],
    }


def look_up(settings: dict[str, Any]) -> dict[str, Any]:
    group = ModelPackageGroup.create(model_package_group_name=settings["group"])
    package = ModelPackage.get(model_package_name=settings["package"])
    return {
        "group": group.model_package_group_arn,
        "approval": package.model_approval_status,
        "version": package.model_package_version,
    }


def main() -> None:
    settings = json.load(sys.stdin)
    session = Session(default_bucket=settings["bucket"])
    with tempfile.TemporaryDirectory() as folder:
        results = {
            "processing": process(settings, session, Path(folder)),
            "training": train(settings, session, Path(folder)),
            "registry": look_up(settings),
        }
    Path(sys.argv[1]).write_text(json.dumps(results))


if __name__ == "__main__":
    main()
