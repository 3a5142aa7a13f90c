"""The embedded SageMaker as a program of a place."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import boto3

from local_stack.programs.processes import Child, Children, Program

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker import SageMakerClient

_READY = re.compile(r"^local_sagemaker is ready on (http://127\.0\.0\.1:[0-9]+)$", re.MULTILINE)
_START_S = 60.0


def start(
    children: Children,
    *,
    project: Path,
    state: Path,
    images: Path,
    port: int,
    environment: Mapping[str, str],
    log: Path,
    stage: int,
    host_names: Sequence[str] = (),
) -> tuple[Child, str]:
    """Start it and wait until it answers.

    Args:
        children: Who is responsible for it.
        project: The checkout.
        state: The folder of its objects, jobs and registry.
        images: The environments that stand in for SageMaker's images.
        port: Its port on the loopback address; 0 picks a free one.
        environment: All of its variables.
        log: The file that gets its output.
        stage: When to stop it.
        host_names: By which clients may call it, besides loopback addresses and `localhost`.

    Returns:
        It and its URL.

    Raises:
        ProgramEndedError: It ended.
        NotReadyError: It does not answer in time.
    """
    state.mkdir(parents=True, exist_ok=True)
    child = children.start(
        Program(
            name="local-sagemaker",
            command=(
                *(sys.executable, "-u", "-m", "local_sagemaker"),
                *("--port", str(port), "--state", str(state), "--images", str(images)),
                *(f"--host-name={name}" for name in host_names),
            ),
            environment=environment,
            folder=project,
            log=log,
            stage=stage,
        )
    )
    children.wait(lambda: _url(log) is not None, _START_S, child=child)
    url = _url(log)
    if url is None:
        raise AssertionError("it was there a moment ago")
    return child, url


def s3(aws: Mapping[str, str]) -> S3Client:
    """Return a client of its S3, whatever the caller's environment says.

    Args:
        aws: The variables that lead to it.
    """
    return _session(aws).client("s3", endpoint_url=aws["AWS_ENDPOINT_URL"])


def api(aws: Mapping[str, str]) -> SageMakerClient:
    """Return a client of its SageMaker API, whatever the caller's environment says.

    Args:
        aws: The variables that lead to it.
    """
    return _session(aws).client("sagemaker", endpoint_url=aws["AWS_ENDPOINT_URL"])


def _session(aws: Mapping[str, str]) -> boto3.Session:
    return boto3.Session(
        aws_access_key_id=aws["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=aws["AWS_SECRET_ACCESS_KEY"],
        region_name=aws["AWS_DEFAULT_REGION"],
    )


def _url(log: Path) -> str | None:
    found = _READY.search(log.read_text(errors="replace"))
    return found[1] if found else None
