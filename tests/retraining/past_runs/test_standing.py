"""What the embedded registry and a real endpoint of it say of versions."""

from __future__ import annotations

import io
import itertools
import tarfile
import time
from typing import Any

import boto3
import pytest
from botocore.config import Config
from retraining import naming
from retraining.deployment import endpoints
from retraining.past_runs.standing import Standing, read_standing
from retraining.registry import requests, versions

from tests.retraining.declarations import pipeline

BUCKET = "standing"
ROLE = "arn:aws:iam::123456789012:role/retraining"
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-py312-cpu-py3"
MODEL = """
def model_fn(model_dir):
    return 1

def predict_fn(rows, model):
    return rows
"""
numbers = itertools.count(1)


@pytest.fixture(scope="module")
def client(embedded_sagemaker: Any) -> Any:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as file:
        entry = tarfile.TarInfo("code/entry_point.py")
        entry.size = len(MODEL)
        file.addfile(entry, io.BytesIO(MODEL.encode()))
    s3 = embedded_sagemaker.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key="model.tar.gz", Body=buffer.getvalue())
    return embedded_sagemaker.client("sagemaker")


@pytest.fixture
def group(client: Any) -> str:
    name = f"standing-{next(numbers)}"
    versions.ensure_group(client, name, description="x")
    return name


def register(client: Any, group: str, approval: str, *, snapshot: str = "2026-11-20") -> str:
    mark = str(next(numbers))
    arn: str = client.create_model_package(
        **requests.model_package(
            pipeline=pipeline(group),
            image_uri=IMAGE,
            model_uri=f"s3://{BUCKET}/model.tar.gz",
            report_uri=f"s3://{BUCKET}/evaluation.json",
            approval_status=approval,
            description="a model",
            metadata={versions.FINGERPRINT: mark, versions.SNAPSHOT: snapshot},
            git_commit=None,
            client_token=naming.client_token(group, mark),
        )
    )["ModelPackageArn"]
    return arn


def deploy(client: Any, name: str, arn: str) -> None:
    """Serve a version on an endpoint of this name."""
    client.create_model(
        ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer={"ModelPackageName": arn}
    )
    client.create_endpoint_config(
        EndpointConfigName=name,
        ProductionVariants=[
            {
                "VariantName": "all",
                "ModelName": name,
                "InitialInstanceCount": 1,
                "InstanceType": "ml.m5.large",
            }
        ],
    )
    client.create_endpoint(EndpointName=name, EndpointConfigName=name)
    deadline = time.monotonic() + 60
    while (found := endpoints.find(client, name)) is None or found.status == "Creating":
        assert time.monotonic() < deadline, "the endpoint does not come up"
        time.sleep(0.1)
    assert found.status == "InService", found.reason


def test_a_registry_without_versions_has_no_words(client: Any, group: str) -> None:
    said = ("Nothing is deployed: there is no endpoint nowhere.",)
    assert read_standing(client, group, endpoint_name="nowhere") == Standing({}, None, said)
    assert read_standing(client, "no-group", endpoint_name="nowhere") == Standing({}, None, said)


def test_every_version_has_the_word_of_its_approval(client: Any, group: str) -> None:
    statuses = {"Approved": "approved", "Rejected": "rejected", "PendingManualApproval": "pending"}
    words = {register(client, group, status): word for status, word in statuses.items()}
    # More than an answer of the service holds unasked.
    words |= {register(client, group, "Rejected"): "rejected" for _ in range(10)}
    assert read_standing(client, group, endpoint_name="nowhere").words == words


def test_the_version_that_serves_is_deployed(client: Any, group: str) -> None:
    arns = [register(client, group, "Approved") for _ in range(2)]
    deploy(client, group, arns[0])
    try:
        found = read_standing(client, group, endpoint_name=group)
        assert found.deployed == arns[0]
        assert found.words == {arns[0]: "deployed", arns[1]: "approved"}
        assert found.sentences == (
            f"Version 1, of snapshot 2026-11-20, is deployed; the endpoint {group} is InService.",
        )
        versions.reject(client, arns[0], reason="by a test")
        found = read_standing(client, group, endpoint_name=group)
        assert found.words[arns[0]] == "deployed, rejected"
    finally:
        client.delete_endpoint(EndpointName=group)


def test_an_endpoint_that_serves_no_known_version_is_told(client: Any, group: str) -> None:
    arn = register(client, group, "Approved")
    deploy(client, group, arn)
    try:
        client.delete_model_package(ModelPackageName=arn)
        found = read_standing(client, group, endpoint_name=group)
    finally:
        client.delete_endpoint(EndpointName=group)
    assert (found.words, found.deployed) == ({}, None)
    assert found.sentences == (
        f"No registered version is known to be deployed; the endpoint {group} is InService.",
    )


def test_a_registry_that_does_not_answer_is_told() -> None:
    nobody = boto3.client(
        "sagemaker",
        # The discard port: nobody listens there.
        endpoint_url="http://127.0.0.1:9",
        region_name="us-east-1",
        aws_access_key_id="x",
        aws_secret_access_key="x",
        config=Config(retries={"total_max_attempts": 1}),
    )
    found = read_standing(nobody, "group", endpoint_name="endpoint")
    assert (found.words, found.deployed) == ({}, None)
    endpoint, registry_said = found.sentences
    assert endpoint.startswith("The endpoint endpoint does not tell what is deployed: Could not")
    assert registry_said.startswith("The registry does not tell what was approved: Could not")
