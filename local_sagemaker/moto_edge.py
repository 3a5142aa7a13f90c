"""Hands a request to moto, and says what moto cannot do in the words of the request's protocol."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING
from xml.parsers.expat import ExpatError

from werkzeug.test import run_wsgi_app

from local_sagemaker.error_answers import error_answer
from local_sagemaker.errors import ServiceError, unsupported

if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextlib import AbstractContextManager

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_MALFORMED = ServiceError(
    "MalformedXML",
    "The XML you provided was not well-formed or did not validate against our published schema.",
)

log = logging.getLogger(__name__)


def honest_moto(
    application: WSGIApplication, service: str, *, lock: AbstractContextManager[object]
) -> WSGIApplication:
    """Wrap moto: one request at a time, and what it cannot do is an error, not a broken page.

    Args:
        application: moto's WSGI application; the body of each request is in memory.
        service: ``s3``, ``sts``, ``iam`` or ``logs``.
        lock: Held while moto works, as moto itself does not lock.
    """

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        with lock:
            try:
                content, status, headers = run_wsgi_app(application, environ, buffered=True)
            except Exception as error:
                told = _told(error, environ, service)
                return error_answer(told, service)(environ, start_response)
        chunks = list(content)
        if int(status[:3]) >= 400 and (not any(chunks) or chunks[0].startswith(b"<!doctype html")):
            # No client of a service can read such a page; to HEAD its status is enough.
            return error_answer(_named(status, environ, service), service)(environ, start_response)
        start_response(status, headers.to_wsgi_list())
        return chunks

    return answer


def _named(status: str, environ: WSGIEnvironment, service: str) -> ServiceError:
    if service == "s3" and environ["REQUEST_METHOD"] == "PUT" and environ["QUERY_STRING"]:
        return _MALFORMED
    code = {"403": "AccessDenied", "405": "MethodNotAllowed"}.get(status[:3], "InvalidRequest")
    return ServiceError(code, f"{status.title()}.", status=int(status[:3]))


def _told(error: Exception, environ: WSGIEnvironment, service: str) -> ServiceError:
    if isinstance(error, NotImplementedError):
        return unsupported(f"{service}: {error}.")
    where = f"{service}: {environ['REQUEST_METHOD']} {environ['PATH_INFO']}"
    if service == "s3":
        if isinstance(error, KeyError) and "uploadId=" in environ["QUERY_STRING"]:
            return ServiceError("NoSuchUpload", "The specified upload does not exist.", status=404)
        environ["wsgi.input"].seek(0)
        is_document = environ["wsgi.input"].read(1) == b"<"
        # moto takes a document for what it should be: where it stumbles, it was another one.
        if isinstance(error, ExpatError | UnicodeDecodeError) or is_document:
            log.info("%s: malformed XML: %r", where, error)
            return _MALFORMED
    log.error("%s", where, exc_info=error)
    return ServiceError("InternalError", "See the server's log.", status=500)
