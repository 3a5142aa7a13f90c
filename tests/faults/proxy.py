"""A reverse proxy on the loopback interface that breaks calls to AWS as its rules say.

It stands between Airflow and the embedded SageMaker, hands on what no rule is for, and keeps a
record of every call.
"""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import struct
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import psutil

from tests.faults.calls import Call, Reader

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

HOST = "127.0.0.1"
# How the LocalExecutor titles its processes.
WORKER = "airflow worker"
# Of one hop each: RFC 9110, 7.6.1.
_HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding"}
)


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer.

    Attributes:
        status: Its code.
        headers: All but those of one hop.
        body: Its content.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


@dataclass(slots=True)
class Rule:
    """What happens to some calls.

    Attributes:
        operation: A regular expression over the whole of ``Call.operation``.
        action: Gets the exchange and returns the answer; None resets the connection.
        run: Only calls of this run; "" for any.
        step: Only calls of this step; "" for any.
        name: Only calls that name this job, endpoint or endpoint config; "" for any.
        by: ``worker`` or ``triggerer``: only calls of such a process. A triggerer's List names no
            run or step and is always meant.
        times: How many calls; None for all.
        when: A further condition.
        hit: The calls that it was applied to.
    """

    operation: str
    action: Callable[[Exchange], Answer | None]
    run: str = ""
    step: str = ""
    name: str = ""
    by: str = ""
    times: int | None = 1
    when: Callable[[], bool] = lambda: True
    hit: list[Call] = field(default_factory=list)

    def applies(self, exchange: Exchange) -> bool:
        """Tell whether it is for a call."""
        call = exchange.call
        shared = self.by == "triggerer" and call.operation.startswith("List")
        return (
            (self.times is None or len(self.hit) < self.times)
            and (shared or self.run in {"", call.run})
            and (shared or self.step in {"", call.step})
            and self.name in {"", call.name}
            and re.fullmatch(self.operation, call.operation, re.DOTALL) is not None
            and (not self.by or exchange.sender() == self.by)
            and self.when()
        )


@dataclass(slots=True)
class Exchange:
    """A request that waits for its answer.

    Attributes:
        call: What it is about.
        body: Its content; an action may change it before it hands it on.
        closing: Set when the proxy ends: whoever waits in an action gives up.
    """

    call: Call
    body: bytes
    closing: threading.Event
    _method: str
    _path: str
    _headers: Mapping[str, str]
    _port: int
    _target: tuple[str, int]

    def forward(self) -> Answer:
        """Hand the request on and return the answer."""
        connection = http.client.HTTPConnection(*self._target, timeout=120)
        try:
            headers = {
                name: value
                for name, value in self._headers.items()
                if name.lower() not in _HOP_BY_HOP | {"content-length", "expect"}
            }
            # A bare GET must not grow a length: some servers would wait for a body.
            if self.body or self._method in {"PUT", "POST"}:
                headers["Content-Length"] = str(len(self.body))
            connection.request(self._method, self._path, self.body or None, headers)
            response = connection.getresponse()
            kept = tuple(
                (name, value)
                for name, value in response.getheaders()
                if name.lower() not in _HOP_BY_HOP
            )
            return Answer(response.status, kept, response.read())
        finally:
            connection.close()

    def client(self) -> psutil.Process:
        """Return the process that has sent the request.

        Raises:
            LookupError: It is gone.
        """
        for connection in psutil.net_connections("tcp4"):
            if connection.laddr.port == self._port and connection.pid and connection.raddr:
                return psutil.Process(connection.pid)
        raise LookupError(f"no process has a connection from port {self._port}")

    def sender(self) -> str:
        """Return what kind of process has sent the request: ``worker``, ``triggerer`` or ""."""
        with contextlib.suppress(LookupError, psutil.NoSuchProcess):
            for process in (self.client(), *self.client().parents()):
                line = " ".join(process.cmdline())
                if WORKER in line:
                    return "worker"
                if "triggerer" in line:
                    return "triggerer"
        return ""


class Proxy:
    """The proxy. A context: leaving it stops it.

    Attributes:
        calls: Every call so far, in the order of their arrival.
        rules: The first that applies to a call is applied.
    """

    def __init__(self, target: str) -> None:
        split = urlsplit(target)
        assert split.hostname is not None
        assert split.port is not None
        self.calls: list[Call] = []
        self.rules: list[Rule] = []
        self.reader = Reader()
        # A rule's condition may ask what was seen.
        self._lock = threading.RLock()
        self._closing = threading.Event()
        self._server = _Server((HOST, 0), _handler(self, (split.hostname, split.port)))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def url(self) -> str:
        """Where clients find it."""
        return f"http://{HOST}:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        """Listen."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop; actions that wait give up."""
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def add(self, *rules: Rule) -> None:
        """Apply rules to the calls from now on."""
        with self._lock:
            self.rules.extend(rules)

    def seen(self, operation: str, *, run: str = "", step: str = "") -> list[Call]:
        """Return the calls so far whose operation matches, of one run or step if wanted."""
        with self._lock:
            calls = list(self.calls)
        return [
            call
            for call in calls
            if re.fullmatch(operation, call.operation, re.DOTALL)
            and run in {"", call.run}
            and step in {"", call.step}
        ]

    def exchange(self, exchange: Exchange) -> Answer | None:
        """Settle one request: apply the first rule that is for it, else hand it on."""
        call = exchange.call
        with self._lock:
            self.calls.append(call)
            rule = next((rule for rule in self.rules if rule.applies(exchange)), None)
            if rule is not None:
                rule.hit.append(call)
        answer = exchange.forward() if rule is None else rule.action(exchange)
        call.outcome = "reset" if answer is None else str(answer.status)
        return answer


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: Any) -> None:
        """Say nothing: clients of this proxy are killed for a living."""


def _handler(proxy: Proxy, target: tuple[str, int]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _any(self) -> None:
            body = self._body()
            call = proxy.reader.read(
                self.command,
                self.path,
                target=self.headers.get("X-Amz-Target", ""),
                body=body,
            )
            answer = proxy.exchange(
                Exchange(
                    call,
                    body,
                    proxy._closing,
                    self.command,
                    self.path,
                    dict(self.headers.items()),
                    self.client_address[1],
                    target,
                )
            )
            if answer is None:
                self._reset()
                return
            self.send_response_only(answer.status)
            for name, value in answer.headers:
                if name.lower() != "content-length" or self.command == "HEAD":
                    self.send_header(name, value)
            if self.command != "HEAD" and answer.status not in {204, 304}:
                self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _any  # noqa: N815 - names of the library

        def _body(self) -> bytes:
            if "chunked" not in self.headers.get("Transfer-Encoding", ""):
                return self.rfile.read(int(self.headers.get("Content-Length", 0)))
            parts = []
            while size := int(self.rfile.readline().partition(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            return b"".join(parts)

        def _reset(self) -> None:
            # With a linger time of zero, closing sends RST in place of FIN.
            self.close_connection = True
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.rfile.close()
            self.wfile.close()
            self.connection.close()

        def log_message(self, *_: Any) -> None:
            pass

    return Handler
