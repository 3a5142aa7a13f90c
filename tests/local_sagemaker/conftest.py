"""A workbench for jobs: tiny scripts, requests around them, and waiting for their ends."""

from __future__ import annotations

import io
import itertools
import tarfile
import textwrap
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-py312-cpu-py3"
ROLE = "arn:aws:iam::123456789012:role/jobs"
BUCKET = "workbench"
INPUT = "/opt/ml/processing/input"
OUTPUT = "/opt/ml/processing/output"
_DEADLINE = 90
_names = itertools.count(1)


def wait_until(condition: Callable[[], Any], *, what: str, seconds: float = _DEADLINE) -> Any:
    """Poll until a condition holds, and return what it returned."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited {seconds} s in vain: {what}"
        time.sleep(0.02)
    return found


@dataclass(slots=True)
class Workbench:
    """One server's clients, and the means to run jobs on it.

    Attributes:
        server: The server.
        bucket: Where inputs lie and outputs go.
    """

    server: Any
    bucket: str = BUCKET
    sagemaker: Any = field(init=False)
    s3: Any = field(init=False)
    logs: Any = field(init=False)

    def __post_init__(self) -> None:
        self.connect(self.server)
        self.s3.create_bucket(Bucket=self.bucket)

    def connect(self, server: Any) -> None:
        """Work on another server, whose state is this one's."""
        self.server = server
        self.sagemaker = server.client("sagemaker")
        self.s3 = server.client("s3")
        self.logs = server.client("logs")

    def name(self, prefix: str = "job") -> str:
        """Return a name that no other test has."""
        return f"{prefix}-{next(_names)}"

    def put(self, key: str, content: str | bytes) -> str:
        """Store an object; return its URI."""
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=content)
        return f"s3://{self.bucket}/{key}"

    def get(self, key: str) -> bytes:
        """Return an object's bytes."""
        return self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()

    def keys(self, prefix: str) -> list[str]:
        """Return the keys below a prefix."""
        found = self.s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix).get("Contents", [])
        return [entry["Key"] for entry in found]

    def processing_request(
        self,
        script: str,
        *,
        arguments: tuple[str, ...] = (),
        inputs: dict[str, str] | None = None,
        outputs: tuple[str, ...] = (),
        **more: Any,
    ) -> dict[str, Any]:
        """Store a script; return a request to run it as a processing job."""
        name = self.name("processing")
        code = self.put(f"{name}/code/script.py", textwrap.dedent(script))
        places = {"code": code, **(inputs or {})}
        return {
            "ProcessingJobName": name,
            "RoleArn": ROLE,
            "AppSpecification": {
                "ImageUri": IMAGE,
                "ContainerEntrypoint": ["python3", "-S", f"{INPUT}/code/script.py"],
                **({"ContainerArguments": list(arguments)} if arguments else {}),
            },
            "ProcessingResources": {
                "ClusterConfig": {
                    "InstanceCount": 1,
                    "InstanceType": "ml.m5.large",
                    "VolumeSizeInGB": 1,
                }
            },
            "ProcessingInputs": [
                {
                    "InputName": place,
                    "S3Input": {
                        "S3Uri": uri,
                        "LocalPath": f"{INPUT}/{place}",
                        "S3DataType": "S3Prefix",
                        "S3InputMode": "File",
                    },
                }
                for place, uri in places.items()
            ],
            "ProcessingOutputConfig": {
                "Outputs": [
                    {
                        "OutputName": place,
                        "S3Output": {
                            "S3Uri": f"s3://{self.bucket}/{name}/{place}",
                            "LocalPath": f"{OUTPUT}/{place}",
                            "S3UploadMode": "EndOfJob",
                        },
                    }
                    for place in outputs
                ]
            },
            **more,
        }

    def training_request(
        self,
        script: str,
        *,
        channels: dict[str, str] | None = None,
        algorithm: dict[str, Any] | None = None,
        toolkit: bool = False,
        **more: Any,
    ) -> dict[str, Any]:
        """Store a script; return a request to run it as a training job.

        Without `toolkit` the script is the container's entry point, which starts much faster.
        """
        name = self.name("training")
        source = textwrap.dedent(script)
        places = dict(channels or {})
        start: dict[str, Any] = {}
        if toolkit:
            archive = self.put(f"{name}/code/sourcedir.tar.gz", _archive("train.py", source))
            more["HyperParameters"] = {
                "sagemaker_program": '"train.py"',
                "sagemaker_submit_directory": f'"{archive}"',
                **more.get("HyperParameters", {}),
            }
        else:
            places["code"] = self.put(f"{name}/code/script.py", source)
            start = {"ContainerEntrypoint": ["python3", "-S", "/opt/ml/input/data/code/script.py"]}
        return {
            "TrainingJobName": name,
            "RoleArn": ROLE,
            "AlgorithmSpecification": {
                "TrainingImage": IMAGE,
                "TrainingInputMode": "File",
                **start,
                **(algorithm or {}),
            },
            **(
                {
                    "InputDataConfig": [
                        {
                            "ChannelName": channel,
                            "DataSource": {
                                "S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri}
                            },
                        }
                        for channel, uri in places.items()
                    ]
                }
                if places
                else {}
            ),
            "OutputDataConfig": {"S3OutputPath": f"s3://{self.bucket}/{name}/models"},
            "ResourceConfig": {
                "InstanceCount": 1,
                "InstanceType": "ml.m5.large",
                "VolumeSizeInGB": 1,
            },
            "StoppingCondition": {"MaxRuntimeInSeconds": 60},
            **more,
        }

    def start(self, request: dict[str, Any]) -> str:
        """Create a job; return its name."""
        if "ProcessingJobName" in request:
            self.sagemaker.create_processing_job(**request)
            return str(request["ProcessingJobName"])
        self.sagemaker.create_training_job(**request)
        return str(request["TrainingJobName"])

    def describe(self, name: str) -> dict[str, Any]:
        """Describe a job; its name tells its kind."""
        if name.startswith("processing"):
            return self.sagemaker.describe_processing_job(ProcessingJobName=name)
        return self.sagemaker.describe_training_job(TrainingJobName=name)

    def status(self, name: str) -> str:
        """Return a job's status."""
        job = self.describe(name)
        return str(job.get("ProcessingJobStatus") or job["TrainingJobStatus"])

    def finish(self, name: str) -> dict[str, Any]:
        """Wait for a job's end; describe it."""
        wait_until(
            lambda: self.status(name) not in {"InProgress", "Stopping"}, what=f"the end of {name}"
        )
        return self.describe(name)

    def run(self, request: dict[str, Any]) -> dict[str, Any]:
        """Create a job, wait for its end, describe it."""
        return self.finish(self.start(request))

    def stop(self, name: str) -> None:
        """Ask a job to end."""
        if name.startswith("processing"):
            self.sagemaker.stop_processing_job(ProcessingJobName=name)
        else:
            self.sagemaker.stop_training_job(TrainingJobName=name)

    def lines(self, name: str) -> list[str]:
        """Return the log of a job, of its first host and attempt."""
        return [event["message"] for event in self.events(name)]

    def all_lines(self, name: str) -> list[str]:
        """Return the logs of all hosts and attempts, one after the other."""
        return [line for lines in self.lines_by_host(name).values() for line in lines]

    def lines_by_host(self, name: str) -> dict[str, list[str]]:
        """Return a job's log by the host that the stream's name has, of all attempts."""
        found: dict[str, list[str]] = {}
        for stream in self._streams(name):
            host = stream.rpartition("/")[2].rpartition("-")[0]
            events = self._events(name, stream)
            found.setdefault(host, []).extend(event["message"] for event in events)
        return found

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return a job's log events, with their times, of its first host and attempt."""
        streams = self._streams(name)
        return self._events(name, streams[0]) if streams else []

    def _group(self, name: str) -> str:
        kind = "Processing" if name.startswith("processing") else "Training"
        return f"/aws/sagemaker/{kind}Jobs"

    def _streams(self, name: str) -> list[str]:
        try:
            streams = self.logs.describe_log_streams(
                logGroupName=self._group(name), logStreamNamePrefix=f"{name}/"
            )["logStreams"]
        except self.logs.exceptions.ResourceNotFoundException:
            return []
        return [stream["logStreamName"] for stream in streams]

    def _events(self, name: str, stream: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        token = None
        while True:
            page = self.logs.get_log_events(
                logGroupName=self._group(name),
                logStreamName=stream,
                startFromHead=True,
                **({"nextToken": token} if token else {}),
            )
            found += page["events"]
            if page["nextForwardToken"] == token:
                return found
            token = page["nextForwardToken"]


def _archive(name: str, text: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        entry = tarfile.TarInfo(name)
        entry.size = len(text.encode())
        archive.addfile(entry, io.BytesIO(text.encode()))
    return buffer.getvalue()


@pytest.fixture(scope="session")
def make_workbench() -> type[Workbench]:
    """Makes a workbench for a server of a test's own."""
    return Workbench


@pytest.fixture(scope="session")
def bench(embedded_sagemaker: Any) -> Workbench:
    """The workbench of the shared server."""
    return Workbench(embedded_sagemaker)


@pytest.fixture(scope="session")
def poll() -> Callable[..., Any]:
    """Waits for a condition: ``poll(condition, what=…)``."""
    return wait_until
