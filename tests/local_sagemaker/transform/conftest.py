"""A workbench for transform jobs: a model that answers each row, requests, and waiting for ends."""

from __future__ import annotations

import io
import itertools
import tarfile
import textwrap
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-py312-cpu-py3"
BUCKET = "transforms"
# Answers a row of numbers with their sum; some words do something else.
SUMS = """
import json, os, threading, time
from sagemaker_containers.beta.framework import worker

four, asked = threading.Barrier(4), []

def model_fn(model_dir):
    told = {name: value for name, value in os.environ.items() if name.startswith("SAGEMAKER_")}
    told["OWN"] = os.environ.get("OWN", "")
    print("variables", json.dumps(told), flush=True)

def input_fn(body, content_type):
    text = body if isinstance(body, str) else bytes(body).decode()
    print("got", json.dumps([content_type, text]), flush=True)
    return text, content_type

def predict_fn(given, model):
    text, content_type = given
    asked.append(text)
    if "crash" in text:
        os._exit(1)
    if "slow" in text:
        time.sleep(300)
    if "together" in text:
        four.wait(20)
    if "wrong" in text or ("again" in text and asked.count(text) < 3):
        raise ValueError("there is a wrong row")
    if "odd" in text:
        return None
    if "jsonlines" in content_type:
        return [sum(json.loads(line)) for line in text.splitlines()]
    rows = [[cell for cell in line.split(",") if not cell.isalpha()] for line in text.split()]
    return [sum(map(float, row)) for row in rows]

def output_fn(sums, accept):
    if sums is None:
        return worker.Response("nobody reads this", status=415)
    if "json" in accept:
        return "".join(json.dumps({"sum": value}) + "\\n" for value in sums), accept
    return "".join(f"{value:g}\\n" for value in sums), accept
"""
CODE = {
    "SAGEMAKER_PROGRAM": "entry_point.py",
    "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
}
Members = dict[str, Any]
_names = itertools.count(1)


@dataclass(slots=True)
class TransformBench:
    """One server's clients, a model, and the means to run transform jobs with it."""

    server: Any
    poll: Callable[..., Any]
    sagemaker: Any = field(init=False)
    s3: Any = field(init=False)
    logs: Any = field(init=False)
    sums: str = field(init=False)

    def connect(self, server: Any) -> None:
        """Work on another server, whose state is this one's."""
        self.server = server
        self.sagemaker = server.client("sagemaker")
        self.s3 = server.client("s3")
        self.logs = server.client("logs")

    def __post_init__(self) -> None:
        self.connect(self.server)
        self.s3.create_bucket(Bucket=BUCKET)
        self.sums = self.model(SUMS)

    def name(self) -> str:
        """Return a name that no other test has."""
        return f"t-{next(_names)}"

    def put(self, key: str, content: str | bytes) -> None:
        """Store an object."""
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=content)

    def model(self, script: str, **more: Any) -> str:
        """Create a model whose entry point is a script; return its name."""
        name = self.name()
        buffer = io.BytesIO()
        source = textwrap.dedent(script).encode()
        with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
            entry = tarfile.TarInfo("code/entry_point.py")
            entry.size = len(source)
            archive.addfile(entry, io.BytesIO(source))
        self.put(f"{name}/model.tar.gz", buffer.getvalue())
        url = f"s3://{BUCKET}/{name}/model.tar.gz"
        container = {"Image": IMAGE, "ModelDataUrl": url, "Environment": CODE, **more}
        self.sagemaker.create_model(ModelName=name, PrimaryContainer=container)
        return name

    def request(
        self,
        objects: Mapping[str, str | bytes],
        *,
        given: Members | None = None,
        taken: Members | None = None,
        data_type: str = "S3Prefix",
        uri: str = "",
        **more: Any,
    ) -> Members:
        """Store objects below the job's folder; return a request to transform them by line.

        Args:
            objects: Key below ``<job>/in/`` to content.
            given: More members of TransformInput; None leaves one out.
            taken: More members of TransformOutput; None leaves one out.
            data_type: Of the input.
            uri: Of the input, below ``<job>/in/``.
            more: Members of the request.
        """
        name = self.name()
        for key, content in objects.items():
            self.put(f"{name}/in/{key}", content)
        source = {"S3DataType": data_type, "S3Uri": f"s3://{BUCKET}/{name}/in/{uri}"}
        input_ = {
            "DataSource": {"S3DataSource": source},
            "ContentType": "text/csv",
            "SplitType": "Line",
            **(given or {}),
        }
        output = {
            "S3OutputPath": f"s3://{BUCKET}/{name}/out",
            "Accept": "text/csv",
            "AssembleWith": "Line",
            **(taken or {}),
        }
        return {
            "TransformJobName": name,
            "ModelName": self.sums,
            "TransformInput": _present(input_),
            "TransformOutput": _present(output),
            "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
            **more,
        }

    def start(self, request: Members) -> str:
        """Create a job; return its name."""
        self.sagemaker.create_transform_job(**request)
        return str(request["TransformJobName"])

    def describe(self, name: str) -> Members:
        """Describe a job."""
        return self.sagemaker.describe_transform_job(TransformJobName=name)

    def finish(self, name: str) -> Members:
        """Wait for a job's end; describe it."""
        self.poll(
            lambda: self.describe(name)["TransformJobStatus"] not in {"InProgress", "Stopping"},
            what=f"the end of {name}",
        )
        return self.describe(name)

    def run(self, request: Members) -> Members:
        """Create a job, wait for its end, describe it."""
        return self.finish(self.start(request))

    def outputs(self, name: str) -> dict[str, str]:
        """Return what a job has written: key below its output folder to content."""
        prefix = f"{name}/out/"
        found = self.s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
        return {
            entry["Key"].removeprefix(prefix): self.s3.get_object(Bucket=BUCKET, Key=entry["Key"])[
                "Body"
            ]
            .read()
            .decode()
            for entry in found
        }

    def transformed(self, request: Members) -> dict[str, str]:
        """Run a job that must complete; return its outputs."""
        job = self.run(request)
        name = job["TransformJobName"]
        assert job["TransformJobStatus"] == "Completed", [job, self.lines(name)]
        return self.outputs(name)

    def lines(self, name: str, *, data: bool = False) -> list[str]:
        """Return the log of a job's container, or its data log."""
        return [
            event["message"]
            for stream in self.streams(name)
            if stream.endswith("/data-log") == data
            for event in self.logs.get_log_events(
                logGroupName="/aws/sagemaker/TransformJobs",
                logStreamName=stream,
                startFromHead=True,
            )["events"]
        ]

    def told(self, name: str) -> list[str]:
        """Return a job's data log without the times."""
        return [line.partition("[sagemaker logs]: ")[2] for line in self.lines(name, data=True)]

    def streams(self, name: str) -> list[str]:
        """Return the names of a job's log streams."""
        try:
            found = self.logs.describe_log_streams(
                logGroupName="/aws/sagemaker/TransformJobs", logStreamNamePrefix=f"{name}/"
            )
        except ClientError:
            return []
        return [stream["logStreamName"] for stream in found["logStreams"]]


def _present(members: Members) -> Members:
    return {name: value for name, value in members.items() if value is not None}


@pytest.fixture(scope="session")
def make_transforms(poll: Any) -> Callable[[Any], TransformBench]:
    """Makes a workbench for a server of a test's own."""
    return lambda server: TransformBench(server, poll)


@pytest.fixture(scope="session")
def transforms(embedded_sagemaker: Any, poll: Any) -> TransformBench:
    """The workbench of the shared server."""
    return TransformBench(embedded_sagemaker, poll)
