"""Starts the server that a user's image brings, and hands calls to it.

SageMaker starts such a container with the word ``serve``, and calls `/ping` and `/invocations` on
its port. Source: the Developer Guide, "Custom Inference Code with Hosting Services".

The arguments after this module's name are the port, 0 if the image takes SAGEMAKER_BIND_TO_PORT,
and the image's ENTRYPOINT.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import subprocess
import sys
import threading
import time
from typing import Any

_HOST = "127.0.0.1"
_LOOK_SECONDS = 0.05
_LONGEST_PING = 2.0
_ENDING_SECONDS = 1.0
# Of one connection, not of the message; the WSGI server adds its own.
_HOP_BY_HOP = frozenset(
    ("connection", "content-length", "date", "host", "keep-alive", "server", "transfer-encoding")
)


def application() -> Any:
    """Start the image's server; return what hands it the calls, when it answers a ping with 200.

    Raises:
        SystemExit: It cannot be started, it has ended, or its port is another one's.
    """
    fixed, *entrypoint = sys.argv[2:]
    port = int(fixed) or _free_port()
    if fixed != "0" and _is_taken(port):
        sys.exit(f"Port {port} is in use: an image with a port of its own serves one endpoint")
    command = [*entrypoint, "serve"]
    variables = {**os.environ, "SAGEMAKER_BIND_TO_PORT": str(port)}
    try:
        server = subprocess.Popen(command, env=variables)  # noqa: S603 -- the image's own
    except OSError as error:
        sys.exit(f"{command[0]} cannot be started: {error}")
    while _ping(port) != http.client.OK:
        if server.poll() is not None:
            sys.exit(f"{' '.join(command)} has ended with code {server.returncode}")
        time.sleep(_LOOK_SECONDS)
    # A container ends with its first process.
    threading.Thread(target=lambda: os._exit(server.wait() or 1), daemon=True).start()

    def hand_over(environ: Any, start_response: Any) -> list[bytes]:
        given = {
            name.removeprefix("HTTP_").replace("_", "-").lower(): value
            for name, value in environ.items()
            if name.startswith("HTTP_")
        }
        headers = {name: value for name, value in given.items() if name not in _HOP_BY_HOP}
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        connection = http.client.HTTPConnection(_HOST, port)
        try:
            connection.request(method, path, environ["wsgi.input"].read(), headers)
            response = connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException):
            with contextlib.suppress(subprocess.TimeoutExpired):
                os._exit(server.wait(_ENDING_SECONDS) or 1)  # it died of this call
            raise
        finally:
            connection.close()
        told = [(x, value) for x, value in response.getheaders() if x.lower() not in _HOP_BY_HOP]
        start_response(f"{response.status} {response.reason}", told)
        return [body]

    return hand_over


def _ping(port: int) -> int:
    connection = http.client.HTTPConnection(_HOST, port, timeout=_LONGEST_PING)
    try:
        connection.request("GET", "/ping")
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((_HOST, port)) == 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        return int(probe.getsockname()[1])
