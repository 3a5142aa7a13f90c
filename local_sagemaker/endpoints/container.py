"""One process that serves a model: from its model data to the end of its processes."""

from __future__ import annotations

import http.client
import logging
import os
import socket
import threading
import time
import uuid
import weakref
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from local_sagemaker.endpoints.deployment import StartFailedError
from local_sagemaker.endpoints.model_data import fetch_model_data
from local_sagemaker.errors import RequestInvalidError
from local_sagemaker.images import find_environment
from local_sagemaker.jobs.container import JobFolder, job_environment
from local_sagemaker.jobs.logs import follow_output
from local_sagemaker.jobs.plan import JobFailedError
from local_sagemaker.jobs.processes import MARK, end_marked

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping

    from local_sagemaker.access.grants import Access
    from local_sagemaker.endpoints.deployment import Hosted
    from local_sagemaker.images import Environment, Image, Images
    from local_sagemaker.jobs.execution import Execution
    from local_sagemaker.jobs.logs import Line

_PROGRAM = Path(__file__).with_name("serve.py")
_SOCKET = "serve.sock"  # serve.py has the same name, and may import nothing from here
_PING_SECONDS = 0.02
_LONGEST_PING = 2.0
MODEL_EXITED = "An error occurred while handling request as the model process exited."

log = logging.getLogger(__name__)


class ContainerGoneError(Exception):
    """The process ended, or did not answer in time, while a request was with it."""


class NotTakenError(Exception):
    """The process has ended before a request could reach it: another one may have it."""


@dataclass(frozen=True, slots=True)
class Workshop:
    """What containers are made with.

    Attributes:
        access: What a model's role may do.
        execution: How commands are run.
        folder: Below it every container has a folder of its own while it runs.
        images: What stands for images.
        endpoint: This server's URL, for the containers.
        identity: The state's, which begins the marks of processes.
    """

    access: Access
    execution: Execution
    folder: Path
    images: Images
    endpoint: str
    identity: str


@dataclass(frozen=True, slots=True)
class Answer:
    """A container's HTTP response.

    Attributes:
        status: Its code.
        headers: Names in lower case.
        body: All of it.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class _Plan:
    region: str
    environment_folder: Path
    command: tuple[str, ...]
    variables: Mapping[str, str]
    folders: tuple[str, ...] = ("model",)
    files: Mapping[str, object] = field(default_factory=dict)


class _SocketConnection(http.client.HTTPConnection):
    """HTTP over a socket in the file system."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Container:
    """A started container; it may be healthy, not yet, or ended.

    Attributes:
        stream: The name of its log stream.
        ended: Set when none of its processes is left.
        healthy: Whether it has answered a ping.
    """

    def __init__(self, hosted: Hosted, workshop: Workshop) -> None:
        self.stream = hosted.new_stream()
        self.ended = threading.Event()
        self.healthy = False
        self._hosted, self._workshop = hosted, workshop
        self._folder = JobFolder(workshop.folder / f"{hosted.name}-{uuid.uuid4().hex[:8]}")
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = threading.Event()
        self._failure: str | None = None
        self._worker_died: Answer | None = None
        self._socket = ""
        # The process ends with the thread that started it: the thread waits.
        threading.Thread(target=self._live, name=f"{hosted.arn} {self.stream}").start()

    def await_health(self, seconds: float) -> None:
        """Return when the container answers a ping with 200.

        Raises:
            StartFailedError: It ended before, or did not answer in time.
        """
        deadline = time.monotonic() + seconds
        while not self.ended.is_set() and time.monotonic() < deadline:
            if self._ping():
                self.healthy = True
                return
            self.ended.wait(_PING_SECONDS)
        raise StartFailedError(self._failure or self._hosted.unhealthy)

    def get(self, path: str, *, seconds: float) -> Answer:
        """Ask the container something.

        Raises:
            OSError, HTTPException: It did not answer.
        """
        return self._request("GET", path, b"", {}, seconds)

    def invoke(self, body: bytes, headers: Mapping[str, str], *, seconds: float) -> Answer:
        """Put a request to the container.

        Raises:
            NotTakenError: It had ended before, which makes it unhealthy.
            ContainerGoneError: `seconds` were over before it answered; or it ended, and is not one
                whose web server outlives its workers.
        """
        try:
            return self._request("POST", "/invocations", body, headers, seconds)
        except TimeoutError as error:
            raise ContainerGoneError(
                "Your invocation timed out while waiting for a response from container primary."
                " Review the latency metrics for each container in Amazon CloudWatch, resolve the"
                " issue, and try again."
            ) from error
        except (ConnectionRefusedError, FileNotFoundError) as error:
            self.healthy = False
            raise NotTakenError from error
        except (OSError, http.client.HTTPException) as error:
            if self._worker_died is None:
                raise ContainerGoneError(MODEL_EXITED) from error
            return self._worker_died

    def stop(self) -> None:
        """End all of its processes; return when none is left."""
        self._stopping.set()
        if self._process is not None:
            self._workshop.execution.end(self._process, self.ended)
        self.ended.wait()

    def _ping(self) -> bool:
        try:
            return bool(self._socket) and (
                self.get("/ping", seconds=_LONGEST_PING).status == http.client.OK
            )
        except (OSError, http.client.HTTPException):
            return False

    def _request(
        self, method: str, path: str, body: bytes, headers: Mapping[str, str], seconds: float
    ) -> Answer:
        connection = _SocketConnection(self._socket, seconds)
        try:
            connection.request(method, path, body, dict(headers))
            response = connection.getresponse()
            content = response.read()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, content)
        finally:
            connection.close()

    def _live(self) -> None:
        try:
            self._run()
        except StartFailedError as error:
            self._failure = str(error)
        except (JobFailedError, RequestInvalidError) as error:
            self._failure = f"The container cannot be started: {error}"
        except Exception:
            log.exception("%s", self._hosted.arn)
        finally:
            self._folder.remove()
            self.ended.set()

    def _run(self) -> None:
        hosted, workshop = self._hosted, self._workshop
        grant = workshop.access.grant(hosted.role, region=hosted.region, arn=hosted.arn)
        environment = find_environment(str(hosted.container["Image"]), workshop.images)
        plan = _plan(hosted, environment)
        if not hosted.serverless:
            self._worker_died = _last_words(environment.image)
        self._folder.make(plan, rewrite_files=False)
        stream = (hosted.log_group, self.stream)
        notice = environment.notice
        first = [(time.time_ns() // 1_000_000, notice)] if notice else []
        grant.logs.write(hosted.region, stream, lines=first)
        fetch_model_data(hosted, grant.s3, folder=self._folder.root / "model")
        self._socket = self._open_folder()
        variables = job_environment(
            plan,
            self._folder,
            endpoint=workshop.endpoint,
            mark=f"{workshop.identity}/{hosted.arn};{self.stream}",
            credentials=grant.credentials,
        )
        if self._stopping.is_set():
            return
        process = workshop.execution.start(plan, self._folder, environment=variables)
        assert process.stdout is not None  # noqa: S101 -- start asked for it
        self._process = process

        def ship(lines: list[Line]) -> None:
            grant.logs.write(hosted.region, stream, lines=lines)

        exited = threading.Event()
        reader = threading.Thread(
            target=follow_output,
            args=(process.stdout, ship),
            kwargs={"watch": lambda _line: None, "ended": exited},
            daemon=True,
        )
        reader.start()
        if self._stopping.is_set():  # before there was a process to end
            threading.Thread(target=self.stop).start()
        process.wait()
        exited.set()
        end_marked(variables[MARK])
        reader.join()
        process.stdout.close()

    def _open_folder(self) -> str:
        # A socket's path has 107 characters at most, a state folder's may have more. The folder
        # stays open as long as somebody may use the path: closed, its number could mean another's.
        number = os.open(self._folder.path / "work", os.O_RDONLY | os.O_DIRECTORY)
        weakref.finalize(self, os.close, number)
        return f"/proc/self/fd/{number}/{_SOCKET}"


def _last_words(image: Image) -> Answer | None:
    told = image.worker_died
    if not told:
        return None
    return Answer(told["status"], {"content-type": told["content_type"]}, told["body"].encode())


def _plan(hosted: Hosted, environment: Environment) -> _Plan:
    container = hosted.container
    return _Plan(
        region=hosted.region,
        environment_folder=environment.folder,
        # -P: the program's own folder is no place for a model's modules to import from.
        command=("python3", "-P", str(_PROGRAM), *environment.image.serving),
        variables={"SM_MODEL_DIR": "/opt/ml/model", **container.get("Environment", {})},
    )
