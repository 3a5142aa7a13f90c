"""What AWS's errors mean, and what their messages leave out."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Iterator

# S3's and CloudWatch Logs' own codes, S3's answer to HEAD, and SageMaker's, which has no code of
# its own for most of its things.
_MISSING = frozenset({
    "NoSuchKey", "404", "ResourceNotFound", "ResourceNotFoundException", "ValidationException",
})  # fmt: skip
_CHANGED = frozenset({"PreconditionFailed", "412", "ConditionalRequestConflict"})


def code_of(error: ClientError) -> str:
    """Return the code that the service gave; "" if it gave none."""
    return str(error.response.get("Error", {}).get("Code", ""))


def is_missing(error: ClientError) -> bool:
    """Say whether the error means that what was asked for does not exist.

    SageMaker says ``ValidationException`` of a name that does not exist and of one that cannot: ask
    this about calls with names that are well formed. A bucket that is missing is a wrong setting,
    and not meant here.
    """
    return code_of(error) in _MISSING


def is_changed(error: ClientError) -> bool:
    """Say whether a conditional request found another object than it was meant for."""
    return code_of(error) in _CHANGED


@contextmanager
def about(uri: str) -> Iterator[None]:
    """Put the object or folder that a call is about before the message of its ClientError."""
    try:
        yield
    except ClientError as error:
        error.args = (f"{uri}: {error}",)
        raise
