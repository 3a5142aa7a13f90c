"""Serves a model on a socket, by the contract of SageMaker's containers; a program of its own.

It runs in the environment of an image, on the standard library and what the image brings. Its
argument is the image's `serving.py`, which has one of these, or both of the latter:

* `application`, which loads the model of a user's module and returns the WSGI application that the
  image serves, as it is;
* `Handler`, the defaults for a user's module, which AWS's `sagemaker-inference` toolkit then runs;
* `load`, which loads a model that has no module, or any where there is no `Handler`, and returns
  what answers a call.

The working folder gets the socket, `serve.sock`, as soon as the model is loaded: whoever can
connect finds GET /ping answered with 200, and POST /invocations by the model. It stands for the
image's web server and its workers.
"""

from __future__ import annotations

import importlib.util
import io
import os
import socketserver
import sys
import traceback
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication, WSGIEnvironment

SOCKET = "serve.sock"

# Body, Content-Type and Accept to status, body and Content-Type.
Respond = Callable[[bytes, str, str], tuple[int, "bytes | bytearray", str]]


class _Requests(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

    def _answer(self, body: bytes) -> None:
        assert isinstance(self.server, _Server)  # noqa: S101 -- it makes no others
        begun: list[Any] = []

        def start_response(status: str, headers: Any, _error: Any = None, /) -> Any:
            begun[:] = status, headers

        try:
            parts = self.server.application(self._environment(body), start_response)
            content = b"".join(parts)
            if hasattr(parts, "close"):
                parts.close()
            status, headers = int(begun[0].partition(" ")[0]), begun[1]
        except Exception as error:  # a model's library may raise anything
            traceback.print_exc()
            status, headers = 500, [("Content-Type", "text/plain")]
            content = str(error).encode()
        if status >= 400:
            kind = next((value for name, value in headers if name.lower() == "content-type"), "")
            told = f": {content.decode('utf-8', 'replace')}" if kind == "text/plain" else ""
            print(f"{self.command} {self.path} {status}{told}", file=sys.stderr, flush=True)
        self._send(status, headers, content)

    def _environment(self, body: bytes) -> WSGIEnvironment:
        path, _, query = self.path.partition("?")
        headers = {f"HTTP_{name.upper().replace('-', '_')}": x for name, x in self.headers.items()}
        return {
            **headers,
            "REQUEST_METHOD": self.command,
            "SCRIPT_NAME": "",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("Content-Type") or "",
            "CONTENT_LENGTH": str(len(body)),
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "8080",
            "SERVER_PROTOCOL": self.request_version,
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }

    def _send(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
        self.send_response(status)
        for name, value in headers:
            if name.lower() != "content-length":
                # Whatever the model's code says, it is one header.
                self.send_header(name, " ".join(value.split()))
        self.send_header("Content-Length", str(len(content)))
        try:
            self.end_headers()
            if content:
                self.wfile.write(content)
        except ConnectionError:
            self.close_connection = True  # the caller has gone, and says so itself

    def log_message(self, *_arguments: Any) -> None:
        """Leave the access log out: errors are printed above."""


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, application: WSGIApplication) -> None:
        super().__init__(SOCKET, _Requests)
        self.application = application


def main() -> None:
    """Load the model, then serve until the end."""
    image = _import(Path(sys.argv[1]))
    if hasattr(image, "application"):
        application = image.application()
    elif hasattr(image, "Handler") and (
        "SAGEMAKER_PROGRAM" in os.environ or not hasattr(image, "load")
    ):
        application = _serving(_by_the_toolkit(image.Handler()))
    else:
        application = _serving(image.load(Path(os.environ["SAGEMAKER_BASE_DIR"], "model")))
    with _Server(application) as server:
        server.serve_forever()


def _import(file: Path) -> Any:
    # Not by its name: a user's module may have the same.
    spec = importlib.util.spec_from_file_location("image_serving", file)
    assert spec is not None and spec.loader is not None  # noqa: S101, PT018 -- it is a .py
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _serving(respond: Respond) -> WSGIApplication:
    def application(environ: WSGIEnvironment, start_response: Any) -> list[bytes]:
        asked = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        status, body, content_type = 404, b"", "application/json"
        if asked == ("GET", "/ping"):
            status = 200
        elif asked == ("POST", "/invocations"):
            content = environ["wsgi.input"].read()
            accept = environ.get("HTTP_ACCEPT", "")
            status, answer, content_type = respond(content, environ["CONTENT_TYPE"], accept)
            body = bytes(answer)
        phrase = HTTPStatus(status).phrase
        start_response(f"{status} {phrase}", [("Content-Type", str(content_type))])
        return [body]

    return application


def _by_the_toolkit(handler: Any) -> Respond:
    from sagemaker_inference import (  # type: ignore[import-not-found]  # noqa: PLC0415 -- in some
        content_types,
        environment,
        transformer,
    )

    class Exchange:
        """One request and its response, in the form in which the model server hands them over."""

        model_name = "model"

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

    code = os.environ.get("SAGEMAKER_SUBMIT_DIRECTORY", environment.code_dir)
    sys.path.insert(0, code)
    module = environment.Environment().module_name
    if "SAGEMAKER_PROGRAM" in os.environ and importlib.util.find_spec(module) is None:
        sys.exit(f"SAGEMAKER_PROGRAM: there is no module {module} in {code}")
    toolkit = transformer.Transformer(handler)
    toolkit.validate_and_initialize(
        environment.model_dir, Exchange(content_types.JSON, content_types.ANY)
    )

    def respond(body: bytes, content_type: str, accept: str) -> tuple[int, bytes | bytearray, str]:
        exchange = Exchange(content_type or content_types.JSON, accept or content_types.ANY)
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
