"""Runs a transform job: starts the model's container, and puts every object through it."""

from __future__ import annotations

import gzip
import http.client
import json
import threading
import zlib
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from local_sagemaker.endpoints.container import (
    Container,
    ContainerGoneError,
    NotTakenError,
    Workshop,
)
from local_sagemaker.endpoints.deployment import StartFailedError
from local_sagemaker.jobs.inputs import input_objects
from local_sagemaker.jobs.plan import End, JobFailedError, Outcome, Phase
from local_sagemaker.jobs.transfers import upload
from local_sagemaker.transform.plan import LOG_GROUP, MOST_MEGABYTES, STRATEGIES
from local_sagemaker.transform.records import RecordError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from concurrent.futures import Future
    from pathlib import Path

    from local_sagemaker.endpoints.container import Answer
    from local_sagemaker.jobs.attempts import Attempts
    from local_sagemaker.jobs.plan import Control, Reports
    from local_sagemaker.s3_places import Bucketed
    from local_sagemaker.transform.plan import TransformPlan
    from local_sagemaker.transform.records import Payload

_MEGABYTE = 1024 * 1024
_SINGLE, _MULTI = STRATEGIES.values()
_DEFAULT_MEGABYTES = 6
_PARAMETERS_SECONDS = 60.0
_CLIENT, _ALGORITHM = (
    f"{whose}: See job logs for more information" for whose in ("ClientError", "AlgorithmError")
)
_NO_ANSWER = "Unable to get response from algorithm"


class _ObjectFailedError(Exception):
    """An object cannot be transformed; the arguments are lines for the log."""

    def __init__(self, reason: str, *lines: str) -> None:
        super().__init__(*lines)
        self.reason, self.lines = reason, lines


@dataclass(slots=True)
class _Object:
    """An object on its way through the model.

    Attributes:
        source: Where it is.
        target: Where its result goes.
        parts: Of the result, in order.
        failed: Nothing becomes of it.
    """

    source: Bucketed
    target: Bucketed
    parts: list[bytes] = field(default_factory=list)
    failed: bool = False


def run(
    tools: Attempts, plan: TransformPlan, folder: Path, /, *, control: Control, reports: Reports
) -> Outcome:
    """Take a transform job from its start to its end; see `Run`.

    Each object's result is written when it is complete, and none of an object that fails; the
    others are transformed nevertheless.

    Raises:
        JobFailedError: There are no objects, the container did not start, or an object failed.
    """
    reports.begin(Phase.DOWNLOADING)
    named = input_objects(tools.grant.s3, plan.source, role=plan.role, region=plan.region)
    objects = [
        _Object(at, plan.target.below(f"{name}.out"))
        for at, name in named
        if not name.endswith("/")  # folders' own markers hold no data
    ]
    workshop = Workshop(
        access=tools.access,
        execution=tools.execution,
        folder=folder,
        images=plan.images,
        endpoint=tools.endpoint,
        identity=tools.identity,
    )
    container = Container(plan, workshop)
    try:
        with _stopped_when_told(container, control):
            container.await_health(plan.startup)
            reports.begin(Phase.RUNNING)
            reason = _Transform(tools, plan, container, control).run(objects)
    except StartFailedError as error:
        reason = str(error)
        reason = reason if reason == plan.unhealthy else f"ClientError: {reason}"
    finally:
        container.stop()
    if control.told:
        return Outcome(End.STOPPED, None, {}, folder)
    if reason:
        raise JobFailedError(reason)
    return Outcome(End.EXITED, 0, {}, folder)


@contextmanager
def _stopped_when_told(container: Container, control: Control) -> Iterator[None]:
    """End the container as soon as somebody wants the job to end, which ends its invocations."""

    def watch() -> None:
        control.wake.wait()
        if control.told:
            container.stop()

    thread = threading.Thread(target=watch, name=container.stream, daemon=True)
    thread.start()
    try:
        yield
    finally:
        control.wake.set()
        thread.join()


class _Transform:
    """A job's invocations, as many at once as it may have."""

    def __init__(
        self, tools: Attempts, plan: TransformPlan, container: Container, control: Control
    ) -> None:
        self._s3, self._logs = tools.grant.s3, tools.grant.logs
        self._plan, self._container, self._control = plan, container, control
        limits = plan.limits
        own = _own_parameters(container)
        concurrent = limits.concurrent or own.get("MaxConcurrentTransforms") or 1
        self._concurrent = min(concurrent, MOST_MEGABYTES)
        megabytes = limits.megabytes
        if megabytes is None:
            megabytes = own.get("MaxPayloadInMB", _DEFAULT_MEGABYTES)
        strategy = STRATEGIES[limits.strategy] if limits.strategy else own.get("BatchStrategy")
        strategy = strategy or _MULTI
        self._largest = megabytes * _MEGABYTE or None
        self._single = strategy == _SINGLE
        self._reason = ""
        self._tell(
            f"MaxConcurrentTransforms={self._concurrent}, MaxPayloadInMB={megabytes},"
            f" BatchStrategy={strategy}"
        )

    def run(self, objects: list[_Object]) -> str:
        """Put objects through the model; return the reason of the first that failed, or nothing."""
        waiting: deque[tuple[_Object, Payload, Future[bytes]] | _Object] = deque()
        in_flight = 0
        with ThreadPoolExecutor(self._concurrent) as pool:
            try:
                for thing in self._work(objects):
                    if isinstance(thing, _Object):
                        waiting.append(thing)
                    else:
                        one, payload = thing
                        waiting.append((one, payload, pool.submit(self._invoke, one, payload)))
                        in_flight += 1
                    while waiting and (in_flight >= self._concurrent or _settled(waiting[0])):
                        in_flight -= self._settle(waiting.popleft())
                while waiting:
                    self._settle(waiting.popleft())
            except BaseException:  # such as results that cannot be written: nobody waits for more
                self._container.stop()
                raise
        return self._reason

    def _work(self, objects: list[_Object]) -> Iterator[tuple[_Object, Payload] | _Object]:
        """Yield what is to be invoked, and each object behind the last of its own."""
        for one in objects:
            if self._control.told:
                return
            with self._failing(one):
                for payload in self._plan.records.payloads(
                    self._read(one.source), largest=self._largest, single=self._single
                ):
                    if one.failed or self._control.told:
                        break
                    if self._container.ended.is_set():
                        raise _ObjectFailedError(_ALGORITHM, _NO_ANSWER)
                    yield one, payload
            yield one

    def _settle(self, thing: tuple[_Object, Payload, Future[bytes]] | _Object) -> int:
        """Take the next result in order; return how many invocations it was."""
        if not isinstance(thing, _Object):
            one, payload, future = thing
            with self._failing(one):
                answer = future.result()
                if not one.failed:
                    one.parts.append(self._plan.records.assemble(payload, answer))
            return 1
        if not (thing.failed or self._control.told):
            upload(self._s3, b"".join(thing.parts), target=thing.target)
        thing.parts.clear()
        return 0

    @contextmanager
    def _failing(self, one: _Object) -> Iterator[None]:
        try:
            yield
        except RecordError as error:
            self._fail(one, _CLIENT, f"ClientError: {error}")
        except _ObjectFailedError as error:
            self._fail(one, error.reason, *error.lines)

    def _fail(self, one: _Object, reason: str, *lines: str) -> None:
        if one.failed or self._control.told:  # it has told the first thing that went wrong
            return
        one.failed = True
        self._reason = self._reason or reason
        for line in lines:
            self._tell(f"{one.source.bucket}/{one.source.key}: {line}")

    def _read(self, at: Bucketed) -> bytes:
        try:
            content = self._s3.read(at.bucket, at.key)
            return gzip.decompress(content) if self._plan.gzip else content
        except KeyError as error:
            told = "ClientError: the object does not exist"
            raise _ObjectFailedError(_CLIENT, told) from error
        except (OSError, EOFError, zlib.error) as error:
            raise _ObjectFailedError(_CLIENT, f"ClientError: it cannot be read: {error}") from error

    def _invoke(self, one: _Object, payload: Payload) -> bytes:
        failure = _ObjectFailedError(_ALGORITHM, _NO_ANSWER)
        for _ in range(1 + self._plan.retries):
            if one.failed or self._container.ended.is_set():
                break
            try:
                answer = self._container.invoke(
                    payload.body, self._plan.headers, seconds=self._plan.seconds
                )
            except (ContainerGoneError, NotTakenError):
                continue
            if answer.status < 400:
                return answer.body
            failure = _refused(answer)
            if answer.status < 500:
                break  # asked again it would say the same
        raise failure

    def _tell(self, text: str) -> None:
        now = datetime.now(UTC)
        told = f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03}:[sagemaker logs]: {text}"
        stream = (LOG_GROUP, f"{self._container.stream}/data-log")
        line = (int(now.timestamp() * 1000), told)
        self._logs.write(self._plan.region, stream, lines=[line])


def _settled(thing: tuple[_Object, Payload, Future[bytes]] | _Object) -> bool:
    return isinstance(thing, _Object) or thing[2].done()


def _refused(answer: Answer) -> _ObjectFailedError:
    if answer.status < 500:
        reason, told = _CLIENT, f"ClientError: {answer.status}"
    else:
        reason, told = _ALGORITHM, f"Bad HTTP status received from algorithm: {answer.status}"
    message = answer.body.decode("utf-8", "replace").splitlines()
    return _ObjectFailedError(reason, told, "", "Message:", *message)


def _own_parameters(container: Container) -> Mapping[str, Any]:
    """Return what the container would like; most have no wishes."""
    try:
        answer = container.get("/execution-parameters", seconds=_PARAMETERS_SECONDS)
        found = json.loads(answer.body) if answer.status == http.client.OK else {}
    except (OSError, http.client.HTTPException, ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    checks: Mapping[str, Callable[[Any], bool]] = {
        "MaxConcurrentTransforms": lambda value: isinstance(value, int) and value > 0,
        "MaxPayloadInMB": lambda value: isinstance(value, int) and value >= 0,
        "BatchStrategy": lambda value: value in (_SINGLE, _MULTI),
    }
    return {
        name: found[name] for name, good in checks.items() if name in found and good(found[name])
    }
