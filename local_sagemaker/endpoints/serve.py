"""Serves a model on a socket, by the contract of SageMaker's containers; a program of its own.

It runs in the environment of an image, on the standard library and AWS's `sagemaker-inference`
toolkit. Its argument is the image's `serving.py`, which has `Handler`, the defaults for a user's
module, and, if the image serves models without a user's module, `load`. The working folder gets the
socket, `serve.sock`, as soon as the model is loaded: whoever can connect finds GET /ping answered
with 200, and POST /invocations by the toolkit's Transformer, or by what `load` returned. It stands
for the image's web server and its workers.
"""

from __future__ import annotations

import importlib.util
import os
import socketserver
import sys
import traceback
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from sagemaker_inference import (  # type: ignore[import-not-found]  # it is in the image alone
    content_types,
    environment,
    transformer,
)

SOCKET = "serve.sock"

# Body, Content-Type and Accept to status, body and Content-Type.
Respond = Callable[[bytes, str, str], tuple[int, "bytes | bytearray", str]]


class _Exchange:
    """One request and its response, in the form in which the model server hands them over."""

    def __init__(self, content_type: str, accept: str) -> None:
        self.system_properties = {"model_dir": environment.model_dir}
        self.request_processor = [self]
        self.properties = {"Content-Type": content_type, "Accept": accept}
        self.status = 200
        self.content_type = ""

    def get_request_properties(self) -> dict[str, str]:
        return self.properties

    def set_response_content_type(self, _index: int, content_type: str) -> None:
        self.content_type = content_type

    def set_response_status(self, *, code: int, phrase: str) -> None:  # noqa: ARG002 -- its name
        self.status = int(code)
        self.content_type = "text/plain"


class _Requests(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._send(200 if self.path == "/ping" else 404, b"", content_type="application/json")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path != "/invocations":
            self._send(404, b"", content_type="application/json")
            return
        assert isinstance(self.server, _Server)  # noqa: S101 -- it makes no others
        try:
            status, result, content_type = self.server.respond(
                body, self.headers.get("Content-Type") or "", self.headers.get("Accept") or ""
            )
        except Exception as error:  # a model's library may raise anything
            traceback.print_exc()
            status, result, content_type = 500, str(error).encode(), "text/plain"
        if status >= 400:
            told = result.decode("utf-8", "replace")
            print(f"POST /invocations {status}: {told}", file=sys.stderr, flush=True)
        self._send(status, result, content_type=content_type)

    def _send(self, status: int, body: bytes | bytearray, *, content_type: str) -> None:
        self.send_response(status)
        # Whatever the model's code says, it is one header.
        self.send_header("Content-Type", " ".join(str(content_type).split()))
        self.send_header("Content-Length", str(len(body)))
        try:
            self.end_headers()
            if body:
                self.wfile.write(body)
        except ConnectionError:
            self.close_connection = True  # the caller has gone, and says so itself

    def log_message(self, *_arguments: Any) -> None:
        """Leave the access log out: errors are printed above."""


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, respond: Respond) -> None:
        super().__init__(SOCKET, _Requests)
        self.respond = respond


def main() -> None:
    """Load the model, then serve until the end."""
    image = _import(Path(sys.argv[1]))
    if "SAGEMAKER_PROGRAM" in os.environ or not hasattr(image, "load"):
        respond = _by_the_toolkit(image.Handler())
    else:
        respond = image.load(Path(environment.model_dir))
    with _Server(respond) as server:
        server.serve_forever()


def _import(file: Path) -> Any:
    # Not by its name: a user's module may have the same.
    spec = importlib.util.spec_from_file_location("image_serving", file)
    assert spec is not None and spec.loader is not None  # noqa: S101, PT018 -- it is a .py
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _by_the_toolkit(handler: Any) -> Respond:
    code = os.environ.get("SAGEMAKER_SUBMIT_DIRECTORY", environment.code_dir)
    sys.path.insert(0, code)
    module = environment.Environment().module_name
    if "SAGEMAKER_PROGRAM" in os.environ and importlib.util.find_spec(module) is None:
        sys.exit(f"SAGEMAKER_PROGRAM: there is no module {module} in {code}")
    toolkit = transformer.Transformer(handler)
    toolkit.validate_and_initialize(
        environment.model_dir, _Exchange(content_types.JSON, content_types.ANY)
    )

    def respond(body: bytes, content_type: str, accept: str) -> tuple[int, bytes | bytearray, str]:
        exchange = _Exchange(content_type or content_types.JSON, accept or content_types.ANY)
        (result,) = toolkit.transform([{"body": body}], exchange)
        if isinstance(result, str):
            result = result.encode()
        if not isinstance(result, bytes | bytearray):
            told = f"output_fn returned {type(result)}; it must return str or bytes"
            return 500, told.encode(), exchange.content_type
        return exchange.status, result, exchange.content_type

    return respond


if __name__ == "__main__":
    main()
