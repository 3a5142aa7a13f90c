"""Hands a request to moto, and says what moto cannot do in the words of the request's protocol."""

from __future__ import annotations

import io
import json
import uuid
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from werkzeug.wrappers import Response

from local_sagemaker.errors import unsupported

if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextlib import AbstractContextManager

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from local_sagemaker.errors import ServiceError


def honest_moto(
    application: WSGIApplication, service: str, *, lock: AbstractContextManager[object]
) -> WSGIApplication:
    """Wrap moto: one request at a time, and a verb it lacks is an error, not a broken page.

    Args:
        application: moto's WSGI application.
        service: ``s3``, ``sts``, ``iam`` or ``logs``.
        lock: Held while moto works, as moto itself does not lock.
    """

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        with lock:
            try:
                content = application(environ, start_response)
                chunks = list(content)
            except NotImplementedError as missing:
                error = unsupported(f"{service}: {missing}.")
                return _response(error, service)(environ, start_response)
            if close := getattr(content, "close", None):
                close()
        return chunks

    return answer


def buffer_body(environ: WSGIEnvironment) -> None:
    """Read a request's body to its end, before any lock: a slow client must hold up nobody."""
    stream = environ["wsgi.input"]
    if environ.get("wsgi.input_terminated"):
        body = stream.read()
    else:
        body = stream.read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    environ["CONTENT_LENGTH"] = str(len(body))


def _response(error: ServiceError, service: str) -> Response:
    if service == "logs":
        body = json.dumps({"__type": error.code, "message": error.message})
        headers = {"x-amzn-RequestId": str(uuid.uuid4())}
        return Response(body, 400, headers, content_type="application/x-amz-json-1.1")
    details = f"<Code>{error.code}</Code><Message>{escape(error.message)}</Message>"
    body = f"<Error>{details}</Error>"
    if service != "s3":
        body = f"<ErrorResponse>{body}<RequestId>{uuid.uuid4()}</RequestId></ErrorResponse>"
    return Response(body, 400, content_type="text/xml")
