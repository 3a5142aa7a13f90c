"""Stands between S3's clients and moto: no change is told before it is on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from moto.s3.utils import bucket_name_from_url

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from local_sagemaker.s3_state import S3State

_MUTATING = {"PUT", "POST", "DELETE"}


def durable_s3(application: WSGIApplication, state: S3State) -> WSGIApplication:
    """Wrap moto's S3 so that a success is on disk before the client hears of it.

    Args:
        application: moto's S3, which works under the state's lock.
        state: Where its buckets and objects are kept.
    """

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        with state.lock:
            content = application(environ, start_response)
            if environ["REQUEST_METHOD"] in _MUTATING:
                # Also after an error: a multi-object request may have done a part of its work.
                for bucket, key in _named(environ):
                    state.sync(bucket, key)
        return content

    return answer


def _named(environ: WSGIEnvironment) -> Iterator[tuple[str, str | None]]:
    # WSGI hands paths over as if they were Latin-1; S3 keys are UTF-8.
    path = environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace").removeprefix("/")
    bucket, _, key = path.partition("/")
    if bucket:
        yield bucket, key or None
    # moto alone knows whether the host's name holds the bucket; looking at both costs nothing.
    if bucket := bucket_name_from_url(f"http://{environ.get('HTTP_HOST', '')}"):
        yield bucket, path or None
