from __future__ import annotations

from typing import Any

import pytest
from retraining import naming
from retraining.jobs import requests
from retraining.registry.requests import model_package

from local_sagemaker.errors import RequestInvalidError
from local_sagemaker.validation import validate_request
from tests.retraining.declarations import pipeline

JOB: dict[str, Any] = {
    "image_uri": "123456789012.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4",
    "role_arn": "arn:aws:iam::123456789012:role/retraining",
    "instance_type": "ml.m5.large",
    "code_uri": "s3://bucket/pipeline/code/abc/",
}


def processing(**changes: Any) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        **JOB,
        "script": "preprocess.py",
        "arguments": ["--seed", "42"],
        "inputs": {"snapshot": "s3://bucket/pipeline/snapshots/2026-11-20/"},
        "outputs": {"train": "s3://bucket/pipeline/runs/train/"},
    }
    return requests.processing_job(**(arguments | changes))


def training() -> dict[str, Any]:
    return requests.training_job(
        **JOB,
        script="train.py",
        hyperparameters={"positive": "false"},
        channels={"train": "s3://bucket/train/"},
        output_uri="s3://bucket/model/",
        metrics={"train:r2": "r2=(.*);"},
    )


def package(**changes: Any) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "pipeline": pipeline("pipeline"),
        "image_uri": JOB["image_uri"],
        "model_uri": "s3://bucket/model.tar.gz",
        "report_uri": "s3://bucket/evaluation.json",
        "approval_status": "PendingManualApproval",
        "description": "r2 0.7",
        "metadata": {"run_id": "manual__2026-11-20T02:00:00+00:00 [x]", "r2": 0.7},
        "git_commit": "0123abc",
        "client_token": naming.client_token("x"),
    }
    return model_package(**(arguments | changes))


def test_every_request_is_one_that_the_service_takes() -> None:
    validate_request("CreateProcessingJob", {"ProcessingJobName": "p", **processing()})
    validate_request("CreateTrainingJob", {"TrainingJobName": "t", **training()})
    spot = requests.with_checkpoints(
        requests.on_spare_capacity(training(), wait_s=100_000), "s3://bucket/model/checkpoints/0/"
    )
    validate_request("CreateTrainingJob", {"TrainingJobName": "t", **spot})
    assert (spot["EnableManagedSpotTraining"], spot["CheckpointConfig"]) == (
        True, {"S3Uri": "s3://bucket/model/checkpoints/0/"}
    )  # fmt: skip
    validate_request("CreateModelPackage", package())


def test_spare_capacity_is_waited_for_no_shorter_than_the_job_may_run() -> None:
    with pytest.raises(ValueError, match="spot_wait_s=60 is less than max_runtime_s=3600"):
        requests.on_spare_capacity(training(), wait_s=60)


def test_the_check_would_see_a_bad_request() -> None:
    with pytest.raises(RequestInvalidError):
        validate_request(
            "CreateProcessingJob", {"ProcessingJobName": "p", **processing(instance_type="big")}
        )
    with pytest.raises(RequestInvalidError):
        validate_request("CreateModelPackage", package(approval_status="Maybe"))


def test_a_processing_job_mounts_its_scripts_and_runs_one() -> None:
    request = processing()
    assert request["AppSpecification"]["ContainerEntrypoint"] == [
        "python3",
        "/opt/ml/processing/input/code/preprocess.py",
    ]
    code = request["ProcessingInputs"][0]["S3Input"]
    assert code["S3Uri"] == "s3://bucket/pipeline/code/abc/scripts/"
    assert code["LocalPath"] == "/opt/ml/processing/input/code"


def test_hyperparameters_are_json_as_the_toolkit_expects() -> None:
    assert training()["HyperParameters"] == {
        "sagemaker_program": '"train.py"',
        "sagemaker_submit_directory": '"s3://bucket/pipeline/code/abc/sourcedir.tar.gz"',
        "positive": '"false"',
    }


def test_metadata_lose_the_characters_that_the_registry_refuses() -> None:
    metadata = package()["CustomerMetadataProperties"]
    assert metadata == {"run_id": "manual__2026-11-20T02:00:00+00:00 _x_", "r2": "0.7"}
    assert "MetadataProperties" not in package(git_commit=None)
