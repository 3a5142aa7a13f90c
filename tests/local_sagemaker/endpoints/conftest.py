"""A workbench for endpoints: tiny entry points, what stands around them, and calls."""

from __future__ import annotations

import io
import itertools
import os
import tarfile
import textwrap
import threading
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-py312-cpu-py3"
BUCKET = "endpoints"
SERVERLESS = {"MemorySizeInMB": 1024, "MaxConcurrency": 20}
CODE = {
    "SAGEMAKER_PROGRAM": "entry_point.py",
    "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
}
_names = itertools.count(1)


def says(word: str, *, load: str = "", predict: str = "") -> str:
    """An entry point that answers everything with a word."""
    return textwrap.dedent(
        f"""
        import os, time

        def model_fn(model_dir):
            {load}
            return {word!r}

        def input_fn(body, content_type):
            return body

        def predict_fn(body, model):
            {predict}
            return model

        def output_fn(prediction, accept):
            return prediction
        """
    )


def pack(files: dict[str, str | bytes]) -> bytes:
    """Make a .tar.gz."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, text in files.items():
            content = text.encode() if isinstance(text, str) else text
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


@dataclass(slots=True)
class Calls:
    """What came of many calls; complete when the block has ended.

    Attributes:
        answers: How often which body came.
        errors: All that were raised.
        answered: Set by the next answer; clear it before.
    """

    answers: Counter[bytes] = field(default_factory=Counter)
    errors: list[Exception] = field(default_factory=list)
    answered: threading.Event = field(default_factory=threading.Event)


@dataclass(slots=True)
class EndpointBench:
    """One server's clients, and the means to run endpoints on it."""

    server: Any
    poll: Callable[..., Any]
    sagemaker: Any = field(init=False)
    s3: Any = field(init=False)
    logs: Any = field(init=False)
    runtime: Any = field(init=False)

    def __post_init__(self) -> None:
        self.sagemaker = self.server.client("sagemaker")
        self.s3 = self.server.client("s3")
        self.logs = self.server.client("logs")
        # A test must see what a retry would hide.
        self.runtime = boto3.client(
            "sagemaker-runtime",
            endpoint_url=self.server.url,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"total_max_attempts": 1}, max_pool_connections=50),
        )
        self.s3.create_bucket(Bucket=BUCKET)

    def name(self, prefix: str = "e") -> str:
        """Return a name that no other test has, nor one of another program on this machine."""
        return f"{prefix}-{os.getpid()}-{next(_names)}"

    def put(self, content: bytes) -> str:
        """Store model data; return its URI."""
        key = f"{self.name('model')}/model.tar.gz"
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=content)
        return f"s3://{BUCKET}/{key}"

    def archive(self, script: str, files: dict[str, str | bytes] | None = None) -> str:
        """Store a model whose entry point is a script; return its URI."""
        return self.put(pack({"code/entry_point.py": textwrap.dedent(script), **(files or {})}))

    def remove(self, uri: str) -> None:
        """Delete model data."""
        self.s3.delete_object(Bucket=BUCKET, Key=uri.removeprefix(f"s3://{BUCKET}/"))

    def model(self, url: str, *, environment: dict[str, str] | None = None) -> str:
        """Create a model; return its name."""
        name = self.name("m")
        container = {
            "Image": IMAGE,
            "ModelDataUrl": url,
            "Environment": {**CODE, **(environment or {})},
        }
        self.sagemaker.create_model(ModelName=name, PrimaryContainer=container)
        return name

    def config(self, model: str, *, serverless: dict[str, int] | None = None) -> str:
        """Create an endpoint config; return its name."""
        name = self.name("c")
        size = (
            {"ServerlessConfig": serverless}
            if serverless
            else {"InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
        )
        variant = {"VariantName": "AllTraffic", "ModelName": model, **size}
        self.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
        return name

    def configured(
        self,
        script: str,
        *,
        environment: dict[str, str] | None = None,
        serverless: dict[str, int] | None = None,
    ) -> str:
        """Create model and config for a script; return the config's name."""
        model = self.model(self.archive(script), environment=environment)
        return self.config(model, serverless=serverless)

    def create(self, config: str) -> str:
        """Create an endpoint; return its name."""
        name = self.name()
        self.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config)
        return name

    def up(self, script: str, **more: Any) -> str:
        """Create an endpoint for a script, and wait until it serves; return its name."""
        name = self.create(self.configured(script, **more))
        assert self.settle(name)["EndpointStatus"] == "InService", self.lines(name)
        return name

    def update(self, name: str, config: str) -> None:
        """Ask for another config."""
        self.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=config)

    def describe(self, name: str) -> dict[str, Any]:
        """Describe an endpoint."""
        return self.sagemaker.describe_endpoint(EndpointName=name)

    def settle(self, name: str, *, seen: list[str] | None = None) -> dict[str, Any]:
        """Wait until an endpoint is InService or Failed; describe it."""
        statuses = seen if seen is not None else []

        def settled() -> bool:
            statuses.append(self.describe(name)["EndpointStatus"])
            return statuses[-1] in {"InService", "Failed"}

        self.poll(settled, what=f"the end of {name}'s deployment")
        return self.describe(name)

    def call(self, name: str, body: bytes = b"1", **more: Any) -> bytes:
        """Invoke an endpoint; return the answer."""
        return self.invoke(name, body, **more)["Body"].read()

    def invoke(self, name: str, body: bytes = b"1", **more: Any) -> dict[str, Any]:
        """Invoke an endpoint; return the whole response."""
        return self.runtime.invoke_endpoint(
            EndpointName=name, Body=body, **{"ContentType": "text/csv", **more}
        )

    def lines(self, name: str) -> list[str]:
        """Return the log of an endpoint, all of its containers."""
        group = f"/aws/sagemaker/Endpoints/{name}"
        streams = self.logs.describe_log_streams(logGroupName=group)["logStreams"]
        return [
            event["message"]
            for stream in streams
            for event in self.logs.get_log_events(
                logGroupName=group, logStreamName=stream["logStreamName"], startFromHead=True
            )["events"]
        ]

    def processes(self, name: str) -> list[int]:
        """Return the processes of an endpoint's model, without their supervisors."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                environment = (entry / "environ").read_bytes()
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            own = f"endpoint/{name};".encode() in environment
            if own and b"serve.py\0" in command and b"supervisor.py" not in command:
                found.append(int(entry.name))
        return found

    @contextmanager
    def hammer(self, name: str, *, threads: int = 4) -> Iterator[Calls]:
        """Call an endpoint again and again, from several threads, during the block."""
        calls, ended = Calls(), threading.Event()

        def work() -> None:
            while not ended.is_set():
                try:
                    calls.answers[self.call(name)] += 1
                    calls.answered.set()
                except Exception as error:
                    calls.errors.append(error)

        workers = [threading.Thread(target=work) for _ in range(threads)]
        for worker in workers:
            worker.start()
        try:
            yield calls
        finally:
            ended.set()
            for worker in workers:
                worker.join()


@pytest.fixture(scope="session")
def make_endpoints(poll: Any) -> Callable[[Any], EndpointBench]:
    """Makes a workbench for a server of a test's own."""
    return lambda server: EndpointBench(server, poll)


@pytest.fixture(scope="session")
def endpoints(embedded_sagemaker: Any, poll: Any) -> EndpointBench:
    """The workbench of the shared server."""
    return EndpointBench(embedded_sagemaker, poll)


@pytest.fixture(scope="session")
def answering() -> Callable[..., str]:
    """Makes entry points: ``answering(word, load=…, predict=…)``."""
    return says


@pytest.fixture(scope="session")
def packed() -> Callable[..., bytes]:
    """Makes a .tar.gz of name → content."""
    return pack


@pytest.fixture(scope="session")
def until_there() -> Callable[[Path], str]:
    """Makes a ``predict`` that prints "taken" and waits for a file."""

    def until_there(gate: Path) -> str:
        there = f"iter(lambda: os.path.exists({str(gate)!r}), True)"
        return f"print('taken', flush=True); [time.sleep(0.02) for _ in {there}]"

    return until_there
