"""The protocol's edge: SageMaker's requests are answered here, all others by moto."""

from __future__ import annotations

import json
import logging
import re
import threading
import uuid
from typing import TYPE_CHECKING

import werkzeug.serving
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.wrappers import Request as HttpRequest
from werkzeug.wrappers import Response

from local_sagemaker.endpoints.runtime import answer_invocation, invoked_endpoint
from local_sagemaker.errors import ServiceError, unsupported
from local_sagemaker.iam_edge import with_simulation
from local_sagemaker.moto_edge import buffer_body, honest_moto
from local_sagemaker.operations import answer
from local_sagemaker.s3_edge import durable_s3

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable, Mapping

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment
    from werkzeug.serving import BaseWSGIServer

    from local_sagemaker.emulator import Emulator

HOST = "127.0.0.1"
_TARGET = "SageMaker."
# AWS4-HMAC-SHA256 Credential=<key>/<date>/<region>/<service>/aws4_request, …
_SCOPE = re.compile(r"Credential=[^/,\s]+/[^/,\s]*/([^/,\s]+)/([^/,\s]+)/aws4_request")
# The same in a presigned URL, where the slashes are escaped.
_PRESIGNED_SCOPE = re.compile(r"X-Amz-Credential=[^&]+?%2F[0-9]+%2F([^&%]+)%2F([^&%]+)%2F")

_FROM_A_PAGE = ServiceError("AccessDenied", "Requests of web pages are not answered.")

log = logging.getLogger(__name__)


class _QuietRequestHandler(MotoRequestHandler):
    """Keeps the access log out of the way."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        log.debug("%s %s %s", self.requestline, code, size)


def make_server(listener: socket.socket, emulator: Emulator) -> BaseWSGIServer:
    """Return a server that answers on a socket of the loopback interface."""
    return werkzeug.serving.make_server(
        HOST,
        listener.getsockname()[1],
        _make_application(emulator),
        threaded=True,
        request_handler=_QuietRequestHandler,
        fd=listener.fileno(),
    )


def _make_application(emulator: Emulator) -> WSGIApplication:
    moto = DomainDispatcherApplication(create_backend_app)
    s3, logs = emulator.runner.s3, emulator.runner.logs
    served = {
        "s3": durable_s3(honest_moto(moto, "s3", lock=s3.lock), s3),
        "logs": honest_moto(moto, "logs", lock=logs.lock),
        "sts": honest_moto(moto, "sts", lock=threading.Lock()),
        "iam": with_simulation(honest_moto(moto, "iam", lock=threading.Lock())),
    }

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if "HTTP_ORIGIN" in environ:
            # Only browsers send it: whatever page is open there must not start jobs here.
            return _error(_FROM_A_PAGE)(environ, start_response)
        region, service = _scope(environ)
        target = environ.get("HTTP_X_AMZ_TARGET", "")
        if target.startswith(_TARGET) or service.startswith("sagemaker"):
            response = _answer_sagemaker(emulator, environ, region=region)
            return response(environ, start_response)
        if service not in served or environ["PATH_INFO"].startswith("/moto-api"):
            error = unsupported(
                f"{service}: {environ['REQUEST_METHOD']} {environ['PATH_INFO']}"
                f" {target} is not served here."
            )
            return _error(error)(environ, start_response)
        buffer_body(environ)
        return served[service](environ, start_response)

    return application


def _scope(environ: WSGIEnvironment) -> tuple[str, str]:
    header = _SCOPE.search(environ.get("HTTP_AUTHORIZATION", ""))
    found = header or _PRESIGNED_SCOPE.search(environ.get("QUERY_STRING", ""))
    # An unsigned request can only be one for a public object.
    return (found[1], found[2].lower()) if found else ("us-east-1", "s3")


def _answer_sagemaker(emulator: Emulator, environ: WSGIEnvironment, *, region: str) -> Response:
    http = HttpRequest(environ)
    target = http.headers.get("X-Amz-Target", "")
    try:
        if endpoint := invoked_endpoint(http):
            return answer_invocation(emulator, http, region=region, endpoint=endpoint)
        body = http.get_data()
        operation = _operation(http)
        return _json(answer(emulator, operation, region=region, members=_members(body)), 200)
    except ServiceError as error:
        log.info("%s: %s", target or http.path, error)
        return _error(error)
    except Exception:
        log.exception("%s", target or http.path)
        return _json({"__type": "InternalFailure", "message": "See the server's log."}, 500)


def _operation(http: HttpRequest) -> str:
    target = http.headers.get("X-Amz-Target", "")
    if not target.startswith(_TARGET):
        raise unsupported(f"{http.method} {http.path} of SageMaker is not emulated here.")
    return target.removeprefix(_TARGET)


def _members(body: bytes) -> Mapping[str, object]:
    try:
        members = json.loads(body or b"{}")
    except ValueError as error:
        raise ServiceError("SerializationException", f"The body is not JSON: {error}") from error
    if not isinstance(members, dict):
        raise ServiceError("SerializationException", "The body is not a JSON object.")
    return members


def _error(error: ServiceError) -> Response:
    response = _json({"__type": error.code, "message": error.message}, 400)
    response.headers["x-amzn-ErrorType"] = error.code
    return response


def _json(document: Mapping[str, object], status: int) -> Response:
    response = Response(
        json.dumps(document), status=status, content_type="application/x-amz-json-1.1"
    )
    response.headers["x-amzn-RequestId"] = str(uuid.uuid4())
    return response
