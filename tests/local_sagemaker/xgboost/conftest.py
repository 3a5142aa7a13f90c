"""A workbench for XGBoost: rows made here, jobs of the built-in algorithm, and endpoints."""

from __future__ import annotations

import io
import random
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config

if TYPE_CHECKING:
    from collections.abc import Callable

REGISTRY = "683313688378.dkr.ecr.us-east-1.amazonaws.com"
ROLE = "arn:aws:iam::123456789012:role/jobs"
# What the tutorial of SageMaker's own sets for abalone, old name of the objective included.
HYPERPARAMETERS = {
    "objective": "reg:linear", "num_round": "8", "max_depth": "5", "eta": "0.2", "gamma": "4",
    "min_child_weight": "6", "subsample": "0.7",
}  # fmt: skip


def rows(count: int, *, seed: int) -> list[list[float]]:
    """Rows of a label and three features that it depends on."""
    source = random.Random(seed)
    made = ([source.uniform(-1, 1) for _ in range(3)] for _ in range(count))
    return [[round(10 + 5 * a - 3 * b, 4), *(round(x, 4) for x in (a, b, c))] for a, b, c in made]


def csv(table: list[list[Any]]) -> str:
    """The rows as text/csv."""
    return "".join(f"{','.join(map(str, row))}\n" for row in table)


def libsvm(table: list[list[float]]) -> str:
    """The rows as text/libsvm; columns count from 0, as those of CSV do."""
    return "".join(
        f"{label} {' '.join(f'{n}:{x}' for n, x in enumerate(features))}\n"
        for label, *features in table
    )


@dataclass(slots=True)
class XGBoostBench:
    """One server's jobs and endpoints with an XGBoost image.

    Attributes:
        bench: The workbench of jobs.
        poll: Waits for a condition.
        runtime: Calls endpoints, once.
    """

    bench: Any
    poll: Callable[..., Any]
    runtime: Any

    def channel(self, name: str, content: str | bytes, content_type: str | None) -> dict[str, Any]:
        """Store a channel's only file; return the channel."""
        uri = self.bench.put(f"{self.bench.name('data')}/{name}/rows", content)
        return {
            "ChannelName": name,
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri}},
            **({"ContentType": content_type} if content_type else {}),
        }

    def request(
        self,
        channels: list[dict[str, Any]],
        *,
        version: str = "3.0-5",
        **hyperparameters: str | None,
    ) -> dict[str, Any]:
        """A request for the built-in algorithm; a hyperparameter that is None is left out."""
        given = {**HYPERPARAMETERS, **hyperparameters}
        name = self.bench.name("training")
        return {
            "TrainingJobName": name,
            "RoleArn": ROLE,
            "AlgorithmSpecification": {
                "TrainingImage": f"{REGISTRY}/sagemaker-xgboost:{version}",
                "TrainingInputMode": "File",
            },
            "HyperParameters": {key: value for key, value in given.items() if value is not None},
            **({"InputDataConfig": channels} if channels else {}),
            "OutputDataConfig": {"S3OutputPath": f"s3://{self.bench.bucket}/{name}/models"},
            "ResourceConfig": {
                "InstanceCount": 1,
                "InstanceType": "ml.m5.large",
                "VolumeSizeInGB": 1,
            },
            "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        }

    def train(
        self, content: str | bytes, content_type: str | None = "text/csv", **more: Any
    ) -> Any:
        """Train on one channel; describe the job when it has ended."""
        channels = [self.channel("train", content, content_type)]
        return self.bench.run(self.request(channels, **more))

    def failure(
        self, content: str | bytes, content_type: str | None = "text/csv", **more: Any
    ) -> str:
        """Train in vain; return the reason."""
        job = self.train(content, content_type, **more)
        assert job["TrainingJobStatus"] == "Failed"
        return str(job["FailureReason"])

    def metrics(self, job: dict[str, Any]) -> dict[str, float]:
        """Return a job's last metrics."""
        return {item["MetricName"]: item["Value"] for item in job.get("FinalMetricDataList", [])}

    def artefact(self, job: dict[str, Any]) -> dict[str, bytes]:
        """Return what a job's model.tar.gz holds."""
        uri = job["ModelArtifacts"]["S3ModelArtifacts"]
        content = self.bench.get(uri.removeprefix(f"s3://{self.bench.bucket}/"))
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            return {x.name: archive.extractfile(x).read() for x in archive if x.isfile()}

    def serve(
        self, model: str, *, version: str = "3.0-5", environment: dict[str, str] | None = None
    ) -> str:
        """Bring up an endpoint for model data; return its name when it has settled."""
        sagemaker, name = self.bench.sagemaker, self.bench.name("xgboost")
        container = {
            "Image": f"{REGISTRY}/sagemaker-xgboost:{version}",
            "ModelDataUrl": model,
            "Environment": environment or {},
        }
        variant = {"VariantName": "AllTraffic", "ModelName": name}
        size = {"InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
        sagemaker.create_model(ModelName=name, PrimaryContainer=container)
        sagemaker.create_endpoint_config(
            EndpointConfigName=name, ProductionVariants=[{**variant, **size}]
        )
        sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
        self.poll(lambda: self.status(name) != "Creating", what=name)
        return name

    def status(self, name: str) -> str:
        """Return an endpoint's status."""
        return str(self.bench.sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"])

    def call(self, name: str, body: str | bytes, **more: str) -> str:
        """Call an endpoint with text/csv, unless it is said otherwise."""
        given = {"ContentType": "text/csv", **more}
        return (
            self.runtime.invoke_endpoint(EndpointName=name, Body=body, **given)["Body"]
            .read()
            .decode()
        )

    def refusal(self, name: str, body: str | bytes, **more: str) -> tuple[int, str]:
        """Call an endpoint in vain; return its status and message."""
        with pytest.raises(self.runtime.exceptions.ModelError) as caught:
            self.call(name, body, **more)
        response = caught.value.response
        return response["OriginalStatusCode"], response["OriginalMessage"]


@pytest.fixture(scope="session")
def make_xgboost(poll: Any, make_workbench: Any) -> Callable[[Any], XGBoostBench]:
    """Makes a workbench for a server of a test's own."""

    def make(server: Any, bench: Any = None) -> XGBoostBench:
        runtime = boto3.client(
            "sagemaker-runtime",
            endpoint_url=server.url,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"total_max_attempts": 1}),
        )
        return XGBoostBench(bench or make_workbench(server), poll, runtime)

    return make


@pytest.fixture(scope="session")
def xgboost(make_xgboost: Any, embedded_sagemaker: Any, bench: Any) -> XGBoostBench:
    """The workbench of the shared server."""
    return make_xgboost(embedded_sagemaker, bench)


@pytest.fixture(scope="session")
def table() -> list[list[float]]:
    """Rows to train on."""
    return rows(400, seed=1)


@pytest.fixture(scope="session")
def others() -> list[list[float]]:
    """Rows of the same kind that are not in the table."""
    return rows(100, seed=2)


@pytest.fixture(scope="session")
def as_csv() -> Callable[[list[list[Any]]], str]:
    """Writes rows as text/csv."""
    return csv


@pytest.fixture(scope="session")
def as_libsvm() -> Callable[[list[list[float]]], str]:
    """Writes rows as text/libsvm."""
    return libsvm
