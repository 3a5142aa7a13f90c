"""What an HTTP request to AWS is about: which operation, of which run and step."""

from __future__ import annotations

import json
import re
import threading
import time
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Mapping

# Every run of the suite has a snapshot, thus a date, of its own.
_DATE = re.compile(r"/(?:runs|snapshots)/(\d{4}-\d{2}-\d{2})/")


@dataclass(slots=True)
class Call:
    """One request that came through the proxy.

    Attributes:
        operation: ``CreateTrainingJob``, ``GetLogEvents``; of S3 ``GET <key>``.
        name: The job, endpoint or endpoint config that it names, or "".
        run: The run's snapshot date, where that can be told, else "".
        step: ``preprocess``, ``train`` or ``evaluate``, where that can be told, else "".
        body: Of a JSON request.
        begun: ``time.monotonic()`` of its arrival.
        outcome: The HTTP status, or what was done instead of answering.
    """

    operation: str
    name: str
    run: str
    step: str
    body: Mapping[str, Any]
    begun: float = field(default_factory=time.monotonic)
    outcome: str = "open"

    def __str__(self) -> str:
        """One line for a failed assertion."""
        return f"{self.begun:.2f} {self.run} {self.operation} {self.name} -> {self.outcome}"


class Reader:
    """Reads requests, and remembers which run and step has created which job."""

    def __init__(self) -> None:
        self._jobs: dict[str, tuple[str, str]] = {}
        self._lock = threading.Lock()

    def job(self, name: str) -> tuple[str, str]:
        """Return a job's run and step."""
        with self._lock:
            return self._jobs.get(name, ("", ""))

    def names(self, run: str, step: str) -> list[str]:
        """Return the names of the jobs that were asked for, for a run's step."""
        with self._lock:
            return [name for name, where in self._jobs.items() if where == (run, step)]

    def read(self, method: str, path: str, *, target: str, body: bytes) -> Call:
        """Tell what a request is about.

        Args:
            method: The HTTP method.
            path: With its query.
            target: Its ``X-Amz-Target``, or "".
            body: Its content.
        """
        if not target:
            key = unquote(path)
            found = _DATE.search(key)
            return Call(f"{method} {key}", "", found[1] if found else "", "", {})
        operation = target.rpartition(".")[2]
        text = body.decode()
        content = json.loads(text or "{}")
        found = _DATE.search(text)
        name = _name(content)
        run, step = found[1] if found else "", _step(operation, content)
        with self._lock:
            if operation.startswith("Create") and name:
                self._jobs[name] = (run, step)
            elif name:
                run, step = self._jobs.get(name, (run, step))
        return Call(operation, name, run, step, content)


def _name(content: Mapping[str, Any]) -> str:
    # A request that changes an endpoint names its config besides.
    for member in ("ProcessingJobName", "TrainingJobName", "EndpointName", "EndpointConfigName"):
        if member in content:
            return str(content[member])
    stream = content.get("logStreamName") or content.get("logStreamNamePrefix") or ""
    return str(stream).partition("/")[0]


def _step(operation: str, content: Mapping[str, Any]) -> str:
    if operation == "CreateTrainingJob":
        return "train"
    if operation == "CreateProcessingJob":
        return PurePosixPath(content["AppSpecification"]["ContainerEntrypoint"][-1]).stem
    return "register_model" if operation == "CreateModelPackage" else ""
