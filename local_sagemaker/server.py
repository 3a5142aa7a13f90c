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

from local_sagemaker.door import check_caller, read_body
from local_sagemaker.endpoints.runtime import answer_invocation, invoked_endpoint
from local_sagemaker.error_answers import error_answer
from local_sagemaker.errors import ServiceError, unsupported
from local_sagemaker.iam_edge import durable_iam, with_simulation
from local_sagemaker.moto_edge import honest_moto
from local_sagemaker.operations import answer
from local_sagemaker.requests import Request
from local_sagemaker.s3_edge import durable_s3

if TYPE_CHECKING:
    import socket
    from collections.abc import Collection, Iterable, Mapping

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment
    from werkzeug.serving import BaseWSGIServer

    from local_sagemaker.access.grants import Permit
    from local_sagemaker.emulator import Emulator

HOST = "127.0.0.1"
_TARGET = "SageMaker."
# AWS4-HMAC-SHA256 Credential=<key>/<date>/<region>/<service>/aws4_request, …
_SCOPE = re.compile(r"Credential=[^/,\s]+/[^/,\s]*/([^/,\s]+)/([^/,\s]+)/aws4_request")
# The same in a presigned URL, where the slashes are escaped.
_PRESIGNED_SCOPE = re.compile(r"X-Amz-Credential=[^&]+?%2F[0-9]+%2F([^&%]+)%2F([^&%]+)%2F")
_BROKEN = ServiceError("InternalFailure", "See the server's log.", status=500)

log = logging.getLogger(__name__)


class _RequestHandler(MotoRequestHandler):
    """Keeps the access log out of the way, and waits for no client for ever."""

    # Seconds for the next bytes of a request, as S3 waits.
    timeout = 60
    # What is no HTTP never gets as far as a service.
    error_content_type = "application/xml"
    error_message_format = (
        "<Error><Code>InvalidRequest</Code><Message>%(message)s: %(explain)s</Message></Error>"
    )

    def run_wsgi(self) -> None:
        try:
            super().run_wsgi()
        except ValueError as error:  # of the request line
            self.send_error(400, explain=str(error))

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        log.debug("%s %s %s", self.requestline, code, size)


def make_server(
    listener: socket.socket, emulator: Emulator, *, host_names: Collection[str] = ()
) -> BaseWSGIServer:
    """Return a server that answers on a socket of the loopback interface.

    Args:
        listener: The socket.
        emulator: What it works on.
        host_names: By which clients may call it, besides loopback addresses and `localhost`.
    """
    return werkzeug.serving.make_server(
        HOST,
        listener.getsockname()[1],
        _make_application(emulator, host_names),
        threaded=True,
        request_handler=_RequestHandler,
        fd=listener.fileno(),
    )


def _make_application(emulator: Emulator, host_names: Collection[str]) -> WSGIApplication:
    moto = DomainDispatcherApplication(create_backend_app)
    s3, logs = emulator.runner.s3, emulator.runner.logs
    served = {
        "s3": durable_s3(honest_moto(moto, "s3", lock=s3.lock), s3),
        "logs": honest_moto(moto, "logs", lock=logs.lock),
        "sts": honest_moto(moto, "sts", lock=threading.Lock()),
        "iam": with_simulation(
            durable_iam(honest_moto(moto, "iam", lock=emulator.iam.lock), emulator.iam),
            emulator.access,
        ),
    }

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        region, service = _scope(environ)
        try:
            check_caller(environ, host_names)
            body = read_body(environ, service)
            permit = emulator.access.admit(environ, body, region=region, service=service)
            if service == "sagemaker":
                response = _answer_sagemaker(
                    emulator, environ, region=region, body=body, permit=permit
                )
                return response(environ, start_response)
            if service == "logs":
                _members(body)
            moto_service = served.get(service)
            if moto_service is None or environ["PATH_INFO"].startswith("/moto-api"):
                response = error_answer(_not_served(environ, service), service)
                return response(environ, start_response)
            if (answered := permit.answer()) is not None:
                return answered(environ, start_response)
            return moto_service(environ, start_response)
        except ServiceError as error:
            log.info("%s: %s", service, error)
            return error_answer(error, service)(environ, start_response)
        except Exception:
            log.exception("%s: %s", service, environ["PATH_INFO"])
            return error_answer(_BROKEN, service)(environ, start_response)

    return application


def _scope(environ: WSGIEnvironment) -> tuple[str, str]:
    """Return the region and the service that a request is signed for."""
    header = _SCOPE.search(environ.get("HTTP_AUTHORIZATION", ""))
    found = header or _PRESIGNED_SCOPE.search(environ.get("QUERY_STRING", ""))
    # An unsigned request can only be one for a public object.
    region, service = (found[1], found[2].lower()) if found else ("us-east-1", "s3")
    if environ.get("HTTP_X_AMZ_TARGET", "").startswith(_TARGET) or service.startswith("sagemaker"):
        return region, "sagemaker"
    return region, service


def _not_served(environ: WSGIEnvironment, service: str) -> ServiceError:
    target = environ.get("HTTP_X_AMZ_TARGET", "")
    asked = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']} {target}"
    return unsupported(f"{service}: {asked} is not served here.")


def _answer_sagemaker(
    emulator: Emulator, environ: WSGIEnvironment, *, region: str, body: bytes, permit: Permit
) -> Response:
    http = HttpRequest(environ)
    if endpoint := invoked_endpoint(http):
        permit.check(Request("InvokeEndpoint", region, {"EndpointName": endpoint}))
        return answer_invocation(emulator, http, region=region, endpoint=endpoint)
    operation = _operation(http)
    answered = answer(emulator, operation, region=region, members=_members(body), permit=permit)
    response = Response(json.dumps(answered), content_type="application/x-amz-json-1.1")
    response.headers["x-amzn-RequestId"] = str(uuid.uuid4())
    return response


def _operation(http: HttpRequest) -> str:
    target = http.headers.get("X-Amz-Target", "")
    # A browser sends a page's GET and HEAD to anybody without asking.
    if http.method != "POST" or not target.startswith(_TARGET):
        raise unsupported(f"{http.method} {http.path} {target} of SageMaker is not emulated here.")
    return target.removeprefix(_TARGET)


def _members(body: bytes) -> Mapping[str, object]:
    try:
        members = json.loads(body or b"{}")
    except RecursionError as error:
        raise ServiceError("SerializationException", "The body is nested too deeply.") from error
    except ValueError as error:
        raise ServiceError("SerializationException", f"The body is not JSON: {error}") from error
    if not isinstance(members, dict):
        raise ServiceError("SerializationException", "The body is not a JSON object.")
    return members
