"""Places in S3, as requests write them."""

from __future__ import annotations

from dataclasses import dataclass

from local_sagemaker.errors import RequestInvalidError


@dataclass(frozen=True, slots=True)
class Bucketed:
    """A place in S3.

    Attributes:
        bucket: The bucket's name.
        key: A key or a key prefix; may be empty.
    """

    bucket: str
    key: str

    @property
    def uri(self) -> str:
        """The place as the caller wrote it."""
        return f"s3://{self.bucket}/{self.key}" if self.key else f"s3://{self.bucket}"

    def below(self, name: str) -> Bucketed:
        """Return the place of a name below this one, taken as a folder."""
        folder = self.key.rstrip("/")
        return Bucketed(self.bucket, f"{folder}/{name}" if folder else name)


def parse_s3_uri(uri: str, *, member: str) -> Bucketed:
    """Read an S3 URI.

    Raises:
        RequestInvalidError: It is not of the form ``s3://bucket/key``; the message names `member`.
    """
    scheme, _, rest = uri.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme != "s3" or not bucket:
        raise RequestInvalidError(f"{member} must be of the form s3://bucket/key, not {uri!r}.")
    return Bucketed(bucket, key)
