"""Runs jobs with the `sagemaker` SDK; the settings come on stdin, results go to a file."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from sagemaker.core.helper.session_helper import Session
from sagemaker.core.network import NetworkConfig
from sagemaker.core.processing import FrameworkProcessor, Processor, ScriptProcessor
from sagemaker.core.resources import (
    ModelPackage,
    ModelPackageGroup,
    ProcessingJob,
    TrainingJob,
)
from sagemaker.core.shapes import (
    Channel,
    DataSource,
    MetricDefinition,
    ProcessingInput,
    ProcessingOutput,
    ProcessingS3Input,
    ProcessingS3Output,
    S3DataSource,
    Tag,
)
from sagemaker.core.training.configs import (
    CheckpointConfig,
    Compute,
    InputData,
    Networking,
    SourceCode,
    StoppingCondition,
)
from sagemaker.train.model_trainer import ModelTrainer


def common(settings: dict[str, Any], session: Session) -> dict[str, Any]:
    return {
        "role": settings["role"],
        "image_uri": settings["image"],
        "instance_type": "ml.m5.large",
        "sagemaker_session": session,
    }


def data_input(settings: dict[str, Any], **more: str) -> ProcessingInput:
    return ProcessingInput(
        input_name="data",
        s3_input=ProcessingS3Input(
            s3_uri=settings["data"],
            local_path="/opt/ml/processing/input/data",
            s3_data_type="S3Prefix",
            s3_input_mode="File",
            **more,
        ),
    )


def output(uri: str) -> ProcessingOutput:
    return ProcessingOutput(
        output_name="out",
        s3_output=ProcessingS3Output(
            s3_uri=uri, local_path="/opt/ml/processing/output", s3_upload_mode="EndOfJob"
        ),
    )


def process_plainly(settings: dict[str, Any], session: Session) -> Processor:
    """A command of the image, on two instances that share the data."""
    processor = Processor(
        entrypoint=[
            "/bin/sh",
            "-c",
            "cp /opt/ml/processing/input/data/* /opt/ml/processing/output",
        ],
        instance_count=2,
        base_job_name="processing-sdk-plain",
        max_runtime_in_seconds=60,
        env={"STAGE": "test"},
        tags=[{"Key": "team", "Value": "data"}],
        network_config=NetworkConfig(
            enable_network_isolation=False, security_group_ids=["sg-1"], subnets=["subnet-1"]
        ),
        volume_kms_key="key-1",
        **common(settings, session),
    )
    processor.run(
        inputs=[data_input(settings, s3_data_distribution_type="ShardedByS3Key")],
        outputs=[output(f"{settings['out']}/plain")],
        wait=False,
        logs=False,
    )
    return processor


def process_with_a_framework(
    settings: dict[str, Any], session: Session, folder: Path
) -> FrameworkProcessor:
    """A folder of scripts, packed by the SDK and unpacked by its own shell script."""
    source = folder / "framework"
    source.mkdir()
    (source / "words.py").write_text("WORD = 'from a module beside it'\n")
    (source / "process.py").write_text(
        "import sys\nfrom words import WORD\n"
        "open('/opt/ml/processing/output/said', 'w').write(f'{WORD}, {sys.argv[1:]}')\n"
    )
    processor = FrameworkProcessor(
        command=["python3"],
        instance_count=1,
        base_job_name="processing-sdk-framework",
        **common(settings, session),
    )
    processor.run(
        code="process.py",
        source_dir=str(source),
        outputs=[output(f"{settings['out']}/framework")],
        arguments=["--limit", "7"],
        wait=False,
        logs=False,
    )
    return processor


def process(settings: dict[str, Any], session: Session, folder: Path) -> ScriptProcessor:
    script = folder / "process.py"
    script.write_text("open('/opt/ml/processing/output/x', 'w').write('processed')\n")
    processor = ScriptProcessor(
        command=["python3"],
        instance_count=1,
        base_job_name="processing-sdk",
        **common(settings, session),
    )
    processor.run(
        code=str(script),
        inputs=[data_input(settings)],
        outputs=[output(settings["out"])],
        wait=True,
        logs=True,
    )
    return processor


def of_job(processor: Processor) -> dict[str, Any]:
    job = ProcessingJob.get(processor.latest_job.processing_job_name)
    job.wait(poll=1)
    return {"name": job.processing_job_name, "status": job.processing_job_status}


SPOT = """
import json, os, pathlib
kept = pathlib.Path("/opt/ml/checkpoints", os.environ["SM_CURRENT_HOST"])
print("epochs", os.environ["SM_HP_EPOCHS"], json.loads(os.environ["SM_HPS"])["layers"])
print("hosts", os.environ["SM_HOSTS"], os.environ["SM_CURRENT_HOST_RANK"])
print("shard", sorted(os.listdir(os.environ["SM_CHANNEL_TRAIN"])))
print("loss: 0.5; accuracy=0.25")
kept.write_text("kept")
pathlib.Path(os.environ["SM_MODEL_DIR"], os.environ["SM_CURRENT_HOST"]).touch()
"""


def train_on_spot(settings: dict[str, Any], session: Session, folder: Path) -> ModelTrainer:
    """All that `ModelTrainer` documents for a job of one's own script."""
    source = folder / "spot"
    source.mkdir()
    (source / "train.py").write_text(SPOT)
    trainer = (
        ModelTrainer(
            sagemaker_session=session,
            role=settings["role"],
            training_image=settings["image"],
            source_code=SourceCode(source_dir=str(source), entry_script="train.py"),
            compute=Compute(
                instance_type="ml.m5.large",
                instance_count=2,
                volume_size_in_gb=1,
                volume_kms_key_id="key-1",
                enable_managed_spot_training=True,
            ),
            stopping_condition=StoppingCondition(
                max_runtime_in_seconds=60, max_wait_time_in_seconds=120
            ),
            networking=Networking(security_group_ids=["sg-1"], subnets=["subnet-1"]),
            hyperparameters={"epochs": 3, "layers": [8, 4], "name": "a b"},
            environment={"STAGE": "test"},
            tags=[Tag(key="team", value="data")],
            base_job_name="training-sdk-spot",
        )
        .with_checkpoint_config(CheckpointConfig(s3_uri=f"{settings['out']}/checkpoints"))
        .with_metric_definitions(
            [
                MetricDefinition(name="loss", regex=r"loss: ([0-9.]+)"),
                MetricDefinition(name="accuracy", regex=r"accuracy=([0-9.]+)"),
            ]
        )
    )
    train = InputData(
        channel_name="train",
        data_source=S3DataSource(
            s3_data_type="S3Prefix",
            s3_uri=settings["data"],
            s3_data_distribution_type="ShardedByS3Key",
        ),
    )
    test = Channel(
        channel_name="test",
        input_mode="FastFile",
        content_type="text/csv",
        data_source=DataSource(
            s3_data_source=S3DataSource(s3_data_type="S3Prefix", s3_uri=settings["data"])
        ),
    )
    trainer.train(input_data_config=[train, test], wait=False, logs=False)
    return trainer


def train(settings: dict[str, Any], session: Session, folder: Path) -> ModelTrainer:
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
        compute=Compute(
            instance_type="ml.m5.large",
            instance_count=1,
            volume_size_in_gb=1,
            keep_alive_period_in_seconds=600,
        ),
        stopping_condition=StoppingCondition(max_runtime_in_seconds=60),
        base_job_name="training-sdk",
    )
    trainer.train(
        input_data_config=[InputData(channel_name="train", data_source=settings["data"])],
        wait=True,
        logs=True,
    )
    return trainer


def of_training(trainer: ModelTrainer) -> dict[str, Any]:
    job = TrainingJob.get(trainer._latest_training_job.training_job_name)
    job.wait(poll=1)
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
        # These run while the SDK waits for the others, which it does every few seconds only.
        plain = process_plainly(settings, session)
        framework = process_with_a_framework(settings, session, Path(folder))
        spot = train_on_spot(settings, session, Path(folder))
        results = {
            "processing": of_job(process(settings, session, Path(folder))),
            "training": of_training(train(settings, session, Path(folder))),
            "plain": of_job(plain),
            "framework": of_job(framework),
            "spot": of_training(spot),
            "registry": look_up(settings),
        }
    Path(sys.argv[1]).write_text(json.dumps(results))


if __name__ == "__main__":
    main()
