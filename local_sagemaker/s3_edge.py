"""Stands between S3's clients and moto: no change is told before it is on disk."""

from __future__ import annotations

import logging
import sqlite3
import sys
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from moto.s3.utils import bucket_name_from_url
from werkzeug.wrappers import Response

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from local_sagemaker.s3_state import S3State

_MUTATING = {"PUT", "POST", "DELETE"}

log = logging.getLogger(__name__)


def durable_s3(application: WSGIApplication, state: S3State) -> WSGIApplication:
    """Wrap moto's S3 so that a success is on disk before the client hears of it.

    Args:
        application: moto's S3, which works under the state's lock.
        state: Where its buckets and objects are kept.
    """

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] not in _MUTATING:
            return application(environ, start_response)
        try:
            with state.changing(*_named(environ)):
                return application(environ, start_response)
        except (OSError, sqlite3.Error) as error:
            refused = sys.exc_info()
            log.exception("%s %s", environ["REQUEST_METHOD"], environ["PATH_INFO"])
            # moto has begun to answer that it is done.
            return _refusal(error)(
                environ, lambda status, headers, _=None: start_response(status, headers, refused)
            )

    return answer


def _refusal(error: Exception) -> Response:
    message = f"The embedded SageMaker cannot keep this on its disk; nothing is changed: {error}"
    body = f"<Error><Code>InternalError</Code><Message>{escape(message)}</Message></Error>"
    return Response(body, 500, content_type="text/xml")


def _named(environ: WSGIEnvironment) -> Iterator[tuple[str, str | None]]:
    # WSGI hands paths over as if they were Latin-1; S3 keys are UTF-8.
    path = environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace").removeprefix("/")
    bucket, _, key = path.partition("/")
    if bucket:
        yield bucket, key or None
    # moto alone knows whether the host's name holds the bucket; looking at both costs nothing.
    if bucket := bucket_name_from_url(f"http://{environ.get('HTTP_HOST', '')}"):
        yield bucket, path or None
