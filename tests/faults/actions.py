"""What a rule of the proxy does to a call."""

from __future__ import annotations

import contextlib
import json
import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import psutil

from tests.faults.proxy import WORKER, Answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.proxy import Exchange

    Action = Callable[[Exchange], Answer | None]

# A signal's handlers have that long to do harm before the call goes on.
_HANDLING_S = 1.0
_END_S = 30.0
_S3_ERROR = (
    "<?xml version='1.0' encoding='UTF-8'?><Error><Code>{}</Code><Message>{}</Message></Error>"
)


def error(code: str, status: int, message: str = "injected by the fault proxy") -> Action:
    """Answer with an AWS error; the call does not arrive."""

    def act(exchange: Exchange) -> Answer:
        if exchange.call.operation.partition(" ")[2]:
            body = _S3_ERROR.format(code, message).encode()
            return Answer(status, (("Content-Type", "application/xml"),), body)
        body = json.dumps({"__type": code, "message": message}).encode()
        kind = ("Content-Type", "application/x-amz-json-1.1")
        return Answer(status, (kind, ("x-amzn-ErrorType", code)), body)

    return act


def reset(_: Exchange) -> None:
    """Reset the connection before the call arrives."""


def lose_answer(exchange: Exchange) -> None:
    """Let the call arrive, and reset the connection before its answer."""
    exchange.forward()


def slow(seconds: float) -> Action:
    """Answer late."""

    def act(exchange: Exchange) -> Answer:
        answer = exchange.forward()
        exchange.closing.wait(seconds)
        return answer

    return act


def twice(exchange: Exchange) -> Answer:
    """Let another attempt be first: the call arrives twice, the second answer is given."""
    exchange.forward()
    return exchange.forward()


def kill_client(*, after: bool, warned: bool = False) -> Action:
    """Kill the worker that makes the call, with its task process: the machine is lost.

    Args:
        after: Whether the call arrives before.
        warned: Whether SIGTERM precedes SIGKILL, as in an eviction.
    """

    def act(exchange: Exchange) -> None:
        task = exchange.client()
        worker = _worker(task)
        if after:
            exchange.forward()
        with contextlib.suppress(psutil.NoSuchProcess):
            if warned:
                worker.terminate()
                exchange.closing.wait(_HANDLING_S)
            worker.kill()
            task.kill()
        psutil.wait_procs([task, worker], timeout=_END_S)

    return act


def terminate_client(*, after: bool) -> Action:
    """Send SIGTERM to the worker that makes the call, which hands it on to its task process.

    Args:
        after: Whether the call arrives before.
    """

    def act(exchange: Exchange) -> Answer:
        worker = _worker(exchange.client())
        answer = exchange.forward() if after else None
        worker.terminate()
        exchange.closing.wait(_HANDLING_S)
        return answer or exchange.forward()

    return act


def _worker(task: psutil.Process) -> psutil.Process:
    worker = task.parent()
    if worker is None or WORKER not in " ".join(worker.cmdline()):
        raise LookupError(f"process {task.pid} is no task of the LocalExecutor")
    return worker


@dataclass(slots=True)
class Gate:
    """Holds calls until it is opened.

    Attributes:
        after: Whether a held call arrives before it is held.
        reached: Set when the first call is held.
        opened: To be set to let go.
    """

    after: bool
    reached: threading.Event = field(default_factory=threading.Event)
    opened: threading.Event = field(default_factory=threading.Event)

    def __call__(self, exchange: Exchange) -> Answer | None:
        """Hold a call."""
        answer = exchange.forward() if self.after else None
        self.reached.set()
        while not self.opened.wait(0.05):
            if exchange.closing.is_set():
                return None
        return answer or exchange.forward()


def change_request(**members: Any) -> Action:
    """Let the call arrive with other members."""

    def act(exchange: Exchange) -> Answer:
        exchange.body = json.dumps({**exchange.call.body, **members}).encode()
        return exchange.forward()

    return act


def change_failure(words: str, reason: str) -> Action:
    """Give a job that has failed with these words another reason, in the answers of Describe."""

    def act(exchange: Exchange) -> Answer:
        answer = exchange.forward()
        described = json.loads(answer.body)
        if words not in str(described.get("ExitMessage", described.get("FailureReason", ""))):
            return answer
        described["FailureReason"] = reason
        described.pop("ExitMessage", None)
        return replace(answer, body=json.dumps(described).encode())

    return act
