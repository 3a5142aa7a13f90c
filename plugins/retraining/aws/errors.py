"""What AWS's own error messages leave out."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def about(uri: str) -> Iterator[None]:
    """Put the object or folder that a call is about before the message of its ClientError."""
    try:
        yield
    except ClientError as error:
        error.args = (f"{uri}: {error}",)
        raise
