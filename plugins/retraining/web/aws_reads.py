"""Reading from AWS with a bound: a slow or dead service costs seconds, never the page."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004 - botocore's, which is none of Python's
    HTTPClientError,
)

from retraining.aws.errors import is_missing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Answer = TypeVar("Answer")

_CONNECT_S = 1.0
_READ_S = 2.0
# After a connection that failed, nobody tries again for so long.
_PAUSE_S = 3.0
# S3 answers many at once; SageMaker's Describe and List calls are throttled soon.
_WORKERS = {"s3": 16, "sagemaker": 4, "logs": 2}
_SPOKEN = {"s3": "S3", "sagemaker": "SageMaker", "logs": "CloudWatch Logs"}


class UnavailableError(Exception):
    """A service did not answer, or not in time, or refused; the message is for the page."""


@dataclass(slots=True)
class Service:
    """One AWS service as this process knows it.

    Attributes:
        name: As boto3 spells it.
        pool: The threads that wait for it.
        down_until: Until then (monotonic) it is taken to be dead.
        why: What it was that failed last.
    """

    name: str
    pool: ThreadPoolExecutor
    down_until: float = 0.0
    why: str = ""
    _client: Any = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def client(self) -> Any:
        """Return the client, made at the first call; it may be used by many threads."""
        with self._lock:
            if self._client is None:
                # Heavy; here and not in every process that loads plugins.
                from airflow.providers.amazon.aws.hooks.base_aws import (  # noqa: PLC0415
                    AwsBaseHook,
                )

                config = Config(
                    connect_timeout=_CONNECT_S,
                    read_timeout=_READ_S,
                    retries={"total_max_attempts": 1},
                    max_pool_connections=_WORKERS[self.name],
                )
                hook = AwsBaseHook(client_type=self.name, config=config)
                self._client = hook.conn
            return self._client

    def ask(self, question: Callable[[Any], Answer]) -> Answer:
        """Ask a question with the client.

        Raises:
            UnavailableError: The service did not answer, just now or a moment ago, or refused.
            ClientError: It says that what was asked for does not exist.
        """
        if time.monotonic() < self.down_until:
            raise UnavailableError(self.why)
        try:
            return question(self.client())
        except (HTTPClientError, ConnectionError) as error:
            self.why = f"{_SPOKEN[self.name]} does not answer: {error}"
            self.down_until = time.monotonic() + _PAUSE_S
            raise UnavailableError(self.why) from error
        except BotoCoreError as error:
            raise UnavailableError(f"{_SPOKEN[self.name]}: {error}") from error
        except ClientError as error:
            if is_missing(error):
                raise
            raise UnavailableError(f"{_SPOKEN[self.name]} refuses: {error}") from error


@cache
def service(name: str) -> Service:
    """Return the service of this process: s3, sagemaker or logs."""
    pool = ThreadPoolExecutor(_WORKERS[name], thread_name_prefix=f"model-quality-{name}")
    return Service(name, pool)


def warm_up() -> None:
    """Make the clients in the background, as that takes seconds."""
    for name in ("s3", "sagemaker"):
        known = service(name)
        known.pool.submit(known.client)


def start(name: str, questions: Sequence[Callable[[Any], Answer]]) -> list[Future[Answer]]:
    """Ask a service several questions at once, each in a thread of its own."""
    known = service(name)
    return [known.pool.submit(known.ask, question) for question in questions]


def collect(futures: Sequence[Future[Answer]], *, seconds: float) -> list[Answer | Exception]:
    """Return the answers in their order; in place of one that did not come, the reason.

    Args:
        futures: From ``start``.
        seconds: How long to wait for all of them together.
    """
    done, late = wait(futures, timeout=seconds)
    for future in late:
        future.cancel()
    outcomes: list[Answer | Exception] = []
    for future in futures:
        if future not in done:
            outcomes.append(UnavailableError(f"no answer within {seconds:g} s"))
            continue
        try:
            outcomes.append(future.result())
        except Exception as error:
            outcomes.append(error)
    return outcomes


def gather(
    name: str, questions: Sequence[Callable[[Any], Answer]], *, seconds: float
) -> list[Answer | Exception]:
    """Ask several questions at once, and wait for the answers as ``collect`` does."""
    return collect(start(name, questions), seconds=seconds)


def notices(outcomes: Sequence[object], *, about: str) -> list[str]:
    """Put what failed into sentences for the page, each once with its count."""
    counts: dict[str, int] = {}
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            counts[str(outcome)] = counts.get(str(outcome), 0) + 1
    return [f"{count} of {len(outcomes)} {about}: {text}" for text, count in counts.items()]
