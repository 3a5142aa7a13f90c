"""Takes back what moto's S3 has done in memory, if the disk refuses it."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from moto.s3.models import FakeKey, s3_backends

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from moto.s3.models import FakeBucket, S3Backend

# A bucket, and the only key of it that a request may change; None may change any.
Place = tuple[str, str | None]


@contextmanager
def taken_back(backend: S3Backend, places: Iterable[Place]) -> Iterator[None]:
    """Undo what the block has done in these places, if it fails.

    Objects, their older versions, uploads, tags and settings are then what they were, whether the
    disk keeps them or not.
    """
    undo = [_remember(backend, bucket, key) for bucket, key in places]
    try:
        yield
    except BaseException:
        for put_back in undo:
            put_back()
        raise


def _remember(backend: S3Backend, name: str, key: str | None) -> Callable[[], None]:
    buckets, accounts = dict(backend.buckets), dict(s3_backends.bucket_accounts)
    tags = {arn: dict(held) for arn, held in backend.tagger.tags.items()}
    bucket = buckets.get(name)
    content = _remember_content(bucket, key) if bucket else None

    def put_back() -> None:
        backend.buckets.clear()
        backend.buckets.update(buckets)
        s3_backends.bucket_accounts.clear()
        s3_backends.bucket_accounts.update(accounts)
        backend.tagger.tags = tags
        if content:
            content()

    return put_back


def _remember_content(bucket: FakeBucket, key: str | None) -> Callable[[], None]:
    settings, uploads = dict(vars(bucket)), dict(bucket.multiparts)
    names = list(bucket.keys) if key is None else [key]
    versions = {named: list(bucket.keys.getlist(named, [])) for named in names}

    def put_back() -> None:
        vars(bucket).update(settings)
        # As plain dictionaries: moto's own ways append, and dispose of what they replace.
        for named in [*bucket.keys, *versions] if key is None else [key]:
            if held := versions.get(named):
                dict.__setitem__(bucket.keys, named, held)
            else:
                dict.pop(bucket.keys, named, None)
        dict.clear(bucket.multiparts)
        dict.update(bucket.multiparts, uploads)

    return put_back


def let_go_of_parts(key: FakeKey) -> None:
    """Free the parts of a completed upload, as nobody can want it back: its object is on disk."""
    if key.multipart:
        for part in key.multipart.parts.values():
            with suppress(OSError):  # of a disk for temporary files that is full
                part._value_buffer.close()  # noqa: SLF001 -- there is no other way


def _dispose(key: FakeKey, garbage: bool = False) -> None:
    if garbage:
        key._value_buffer.close()  # noqa: SLF001 -- there is no other way


# moto closes an object's bytes when it is replaced; here they stay as long as somebody may want
# them back.
FakeKey.dispose = _dispose  # type: ignore[assignment,method-assign]
