"""Serves a model on a socket, by the contract of SageMaker's containers; a program of its own.

It runs in the environment of the scikit-learn image, on the standard library, numpy and AWS's
`sagemaker-inference` toolkit. The working folder gets the socket, `serve.sock`, as soon as the
model is loaded: whoever can connect finds GET /ping answered with 200, and POST /invocations by the
toolkit's Transformer. It stands for the image's nginx and its workers.
"""

from __future__ import annotations

import importlib.util
import io
import os
import socketserver
import sys
from http.server import BaseHTTPRequestHandler
from typing import Any

import numpy as np
from sagemaker_inference import (  # type: ignore[import-not-found]  # it is in the image alone
    content_types,
    decoder,
    default_inference_handler,
    environment,
    errors,
    transformer,
)

SOCKET = "serve.sock"


class _Handler(default_inference_handler.DefaultInferenceHandler):  # type: ignore[misc]
    """What the image does where the user's module has no function of its own."""

    def default_input_fn(self, body: Any, content_type: str) -> Any:
        if content_type == content_types.NPY:
            # The image's own decoder is patched so: an array of objects would be unpickled.
            return np.load(io.BytesIO(body), allow_pickle=False)
        if content_type not in content_types.UTF8_TYPES:
            raise errors.GenericInferenceToolkitError(
                415, f"Content type {content_type} is not supported by this framework."
            )
        return decoder.decode(body, content_type).astype(np.float32)

    def default_predict_fn(self, data: Any, model: Any) -> Any:
        return model.predict(data)

    def default_output_fn(self, prediction: Any, accept: str) -> Any:
        try:
            return super().default_output_fn(prediction, accept)
        except errors.UnsupportedFormatError as error:
            raise errors.GenericInferenceToolkitError(406, str(error)) from error


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
        exchange = _Exchange(
            self.headers.get("Content-Type") or content_types.JSON,
            self.headers.get("Accept") or content_types.ANY,
        )
        (result,) = _TRANSFORMER.transform([{"body": body}], exchange)
        if exchange.status >= 400:
            print(f"POST /invocations {exchange.status}: {result}", file=sys.stderr, flush=True)
        if isinstance(result, str):
            result = result.encode()
        if not isinstance(result, bytes | bytearray):
            exchange.status = 500
            result = f"output_fn returned {type(result)}; it must return str or bytes".encode()
            print(result.decode(), file=sys.stderr, flush=True)
        self._send(exchange.status, result, content_type=exchange.content_type)

    def _send(self, status: int, body: bytes, *, content_type: str) -> None:
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


_TRANSFORMER = transformer.Transformer(_Handler())


def main() -> None:
    """Load the model, then serve until the end."""
    code = os.environ.get("SAGEMAKER_SUBMIT_DIRECTORY", environment.code_dir)
    sys.path.insert(0, code)
    module = environment.Environment().module_name
    if "SAGEMAKER_PROGRAM" in os.environ and importlib.util.find_spec(module) is None:
        sys.exit(f"SAGEMAKER_PROGRAM: there is no module {module} in {code}")
    _TRANSFORMER.validate_and_initialize(
        environment.model_dir, _Exchange(content_types.JSON, content_types.ANY)
    )
    with _Server(SOCKET, _Requests) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
