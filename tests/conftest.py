"""What every test may use: a clean environment, and an embedded SageMaker that really runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

ROOT = Path(__file__).resolve().parents[1]
REGION = "us-east-1"
# Airflow makes its home when it is imported, which some tests do as they are collected.
_WORKER = os.environ.get("PYTEST_XDIST_WORKER", "alone")
os.environ["AIRFLOW_HOME"] = str(ROOT / ".local" / "tests" / f"airflow-{_WORKER}")
_READY = "local_sagemaker is ready on "
_START_SECONDS = 60


@dataclass(frozen=True, slots=True)
class EmbeddedSageMaker:
    """A server of its own process.

    Attributes:
        url: Its endpoint.
        state: Its state folder; `state.with_suffix(".log")` is its stderr.
        process: To signal it; it is ended by whoever started it.
        keys: The access key that it tells its clients, and the secret.
    """

    url: str
    state: Path
    process: subprocess.Popen[str]
    keys: tuple[str, str]

    @property
    def environment(self) -> dict[str, str]:
        """The variables that point AWS clients, also those of other processes, to it."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": self.keys[0],
            "AWS_SECRET_ACCESS_KEY": self.keys[1],
            "AWS_DEFAULT_REGION": REGION,
        }

    def client(self, service: str, *, region: str = REGION) -> Any:
        """Return a boto3 client."""
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=region,
            aws_access_key_id=self.keys[0],
            aws_secret_access_key=self.keys[1],
        )


RunEmbeddedSageMaker = Callable[..., AbstractContextManager[EmbeddedSageMaker]]


@contextmanager
def _run_embedded_sagemaker(
    state: Path, *options: str, program: tuple[str, ...] = ("-m", "local_sagemaker")
) -> Iterator[EmbeddedSageMaker]:
    log = state.with_suffix(".log")
    command = [sys.executable, *program, "--state", str(state)]
    images = ["--images", str(ROOT / ".local" / "images")]
    with log.open("a") as stderr:
        process = subprocess.Popen(
            [*command, *images, *options],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
    assert process.stdout is not None
    watchdog = threading.Timer(_START_SECONDS, process.kill)
    watchdog.start()
    line = process.stdout.readline().strip()
    watchdog.cancel()
    assert line.startswith(_READY), f"no server: {log.read_text()}"
    *_, exported = (process.stdout.readline() for _ in range(3))
    keys = re.search(r"AWS_ACCESS_KEY_ID=(\S+) AWS_SECRET_ACCESS_KEY=(\S+)", exported)
    assert keys is not None, exported
    try:
        yield EmbeddedSageMaker(line.removeprefix(_READY), state, process, (keys[1], keys[2]))
    finally:
        process.terminate()
        process.wait(timeout=60)
        process.stdout.close()


@pytest.fixture(scope="session")
def run_embedded_sagemaker() -> RunEmbeddedSageMaker:
    """Starts a server of a test's own: ``with run_embedded_sagemaker(state, *options) as …``."""
    return _run_embedded_sagemaker


@pytest.fixture(scope="session")
def host_name() -> str:
    """A name by which the server that tests share may be called."""
    return "shared-server"


@pytest.fixture(scope="session")
def embedded_sagemaker(
    tmp_path_factory: pytest.TempPathFactory, host_name: str
) -> Iterator[EmbeddedSageMaker]:
    """The server that tests share; use names of your own."""
    state = tmp_path_factory.mktemp("embedded-sagemaker") / "state"
    spot = ("training-interrupted-*:1", "training-waiting-*:0.1:300")
    rules = [word for rule in spot for word in ("--interrupt-spot", rule)]
    options = ("--stop-grace", "1", "--host-name", host_name, *rules)
    with _run_embedded_sagemaker(state, *options) as server:
        yield server


@pytest.fixture(scope="session", autouse=True)
def _no_aws_settings_of_the_developer() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("AWS_", "RETRAINING_"))]:
            patch.delenv(name)
        patch.setenv("AWS_CONFIG_FILE", os.devnull)
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield
