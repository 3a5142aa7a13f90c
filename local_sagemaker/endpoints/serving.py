"""One deployment at work: counts its requests, and starts its container when one is needed."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from local_sagemaker.endpoints.container import (
    MODEL_EXITED,
    Container,
    ContainerGoneError,
    NotTakenError,
)
from local_sagemaker.endpoints.deployment import StartFailedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from local_sagemaker.endpoints.container import Answer, Workshop
    from local_sagemaker.endpoints.deployment import Deployment


# How many processes may be found dead before a request is given up.
_ATTEMPTS = 3


class RetiredError(Exception):
    """The deployment takes no more requests; another one has taken its place, or none."""


class BusyError(Exception):
    """As many requests as the variant's MaxConcurrency are in flight."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long things may take, in seconds.

    Attributes:
        startup: From a container's start to its first good ping, where the variant says nothing.
        invocation: From a request to its response.
        idle: After that long without a request, a serverless variant's process is ended.
    """

    startup: float
    invocation: float
    idle: float


class Serving:
    """A deployment that takes requests, with a process or, serverless and idle, without one.

    Attributes:
        deployment: What it serves.
    """

    def __init__(self, deployment: Deployment, workshop: Workshop, patience: Patience) -> None:
        self.deployment = deployment
        self._workshop, self._patience = workshop, patience
        self._container: Container | None = None
        # Held while a container is started: one thread starts it, the others wait for it.
        self._starting = threading.Lock()
        self._failures, self._failure = 0, ""
        # Guards what follows, and tells who waits that a request has ended.
        self._changed = threading.Condition()
        self._in_flight = 0
        self._last_request = time.monotonic()
        self._retired = self._stopped = False

    def start(self) -> None:
        """Return when the container is healthy; start it if there is none.

        Raises:
            StartFailedError: It did not come up; what is left of it is there until `stop`.
            RetiredError: `stop` came between.
        """
        self._running(end_failed=False)

    def invoke(self, body: bytes, headers: Mapping[str, str]) -> tuple[Answer, str]:
        """Put a request to the container, after waiting for its start if need be.

        Returns:
            The response, and the log stream of the container that gave it.

        Raises:
            RetiredError: Ask the deployment that has taken this one's place.
            BusyError: Too many requests.
            StartFailedError: A container was needed, and did not come up.
            ContainerGoneError: No answer came.
        """
        with self._request():
            for _ in range(_ATTEMPTS):
                container = self._running(end_failed=True)
                try:
                    answer = container.invoke(body, headers, seconds=self._patience.invocation)
                except NotTakenError:
                    continue
                return answer, container.stream
            raise ContainerGoneError(MODEL_EXITED)

    @property
    def stream(self) -> str:
        """The newest container's log stream."""
        return self._container.stream if self._container else self.deployment.variant_name

    def retire(self) -> None:
        """Take no more requests, finish those in flight, then end the process."""
        with self._changed:
            self._retired = True
            longest = self._patience.invocation + self._startup
            self._changed.wait_for(lambda: not self._in_flight, timeout=longest)
        self.stop()

    def stop(self) -> None:
        """End at once; return when no process is left."""
        with self._changed:
            self._retired = self._stopped = True
            container = self._container
        if container:
            container.stop()

    def rest(self) -> None:
        """End the process of a serverless variant that has been idle for long enough."""
        serverless = self.deployment.serverless
        if serverless is None or "ProvisionedConcurrency" in serverless:
            return
        with self._changed:
            container = self._container
            idle = time.monotonic() - self._last_request
            if self._in_flight or idle < self._patience.idle:
                return
            if container is None or not container.healthy:
                return
            # A request that comes now starts another one.
            self._container = None
        container.stop()

    @contextmanager
    def _request(self) -> Iterator[None]:
        serverless = self.deployment.serverless
        with self._changed:
            if self._retired:
                raise RetiredError
            if serverless and self._in_flight >= serverless["MaxConcurrency"]:
                raise BusyError
            self._in_flight += 1
        try:
            yield
        finally:
            with self._changed:
                self._in_flight -= 1
                self._last_request = time.monotonic()
                self._changed.notify_all()

    @property
    def _startup(self) -> float:
        own = self.deployment.variant.get("ContainerStartupHealthCheckTimeoutInSeconds")
        return float(own or self._patience.startup)

    def _running(self, *, end_failed: bool) -> Container:
        failures = self._failures
        with self._starting:
            if self._failures > failures:  # the start that this thread waited for
                raise StartFailedError(self._failure)
            with self._changed:
                container = self._container
                if container and container.healthy and not container.ended.is_set():
                    return container
                if self._stopped:
                    raise RetiredError
                self._container = container = Container(self.deployment, self._workshop)
            try:
                container.await_health(self._startup)
            except StartFailedError as error:
                self._failures, self._failure = self._failures + 1, str(error)
                if end_failed:
                    container.stop()
                raise
            with self._changed:
                self._last_request = time.monotonic()
            return container
