from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import boto3
import pytest

from local_stack.programs.places import PROJECT
from local_stack.services import environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "local_stack", "serve-sagemaker"),
            *("--host", "127.0.0.1", "--port", "0", "--folder", str(tmp_path)),
            "--host-name=gateway",
        ],
        cwd=PROJECT,
        env=environment.inherited(os.environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    found = re.fullmatch(r"the embedded SageMaker is reachable on (http://\S+)\n", line)
    assert found, line
    yield process, found[1]
    process.kill()
    process.communicate()


def test_clients_reach_the_embedded_sagemaker_through_it(
    gateway: tuple[subprocess.Popen[str], str],
) -> None:
    _, url = gateway
    options = {
        "endpoint_url": url,
        "aws_access_key_id": "embedded",
        "aws_secret_access_key": "embedded",
        "region_name": "us-east-1",
    }
    s3 = boto3.client("s3", **options)
    s3.create_bucket(Bucket="gateway")
    # Larger than one piece, both ways.
    body = os.urandom(3 * 2**20)
    s3.put_object(Bucket="gateway", Key="key", Body=body)
    assert s3.get_object(Bucket="gateway", Key="key")["Body"].read() == body
    sagemaker = boto3.client("sagemaker", **options)
    assert sagemaker.list_model_package_groups()["ModelPackageGroupSummaryList"] == []


def test_another_container_passes_on_to_it_under_the_name_that_clients_call(
    gateway: tuple[subprocess.Popen[str], str],
) -> None:
    _, url = gateway
    command = ("pass-on", "--host", "127.0.0.1", "--port", "0", "--to", urlsplit(url).netloc)
    with subprocess.Popen(
        [sys.executable, "-m", "local_stack", *command],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        door = urlsplit(process.stdout.readline().rpartition(" ")[2].strip())
        for name, status in (("gateway:8090", 200), ("127.0.0.1", 200), ("stranger", 400)):
            connection = http.client.HTTPConnection(str(door.hostname), door.port)
            connection.request("GET", "/", headers={"Host": name})
            assert connection.getresponse().status == status, name
            connection.close()
        process.terminate()
        assert process.wait(30) == 0


def test_a_signal_stops_both(gateway: tuple[subprocess.Popen[str], str], tmp_path: Path) -> None:
    process, _ = gateway
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    log = (tmp_path / "local-sagemaker.log").read_text()
    port = re.search(r"127\.0\.0\.1:(\d+)$", log, re.MULTILINE)
    assert port
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(port[1])), 5)
