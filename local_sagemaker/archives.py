"""Unpacks a ``.tar.gz`` that anybody may have made: files and folders, in its folder alone.

The jobs' kit and the embedded SageMaker may not import each other: both have this file, and a test
holds them together. ``tarfile``'s own filter does not do: links lead it out of the folder where
Python lacks the repairs (CVE-2025-4517, before 3.11.13), and it bounds nothing.
"""

from __future__ import annotations

import gzip
import shutil
import tarfile
import zlib
from pathlib import PurePosixPath
from typing import IO, TYPE_CHECKING, cast

if TYPE_CHECKING:
    from pathlib import Path

_MEBIBYTE = 1024**2
MOST_MEMBERS, MOST_BYTES, DEEPEST = 10_000, 16 * 1024 * _MEBIBYTE, 100
# What is mostly padding or zeros packs well; no model of any size packs better than that.
HIGHEST_RATIO, SMALL = 200, 32 * _MEBIBYTE
# A header's own content (long names, attributes) is read at once, files are in pieces.
_LARGEST_HEADER, _PIECE = _MEBIBYTE, 64 * 1024


class ArchiveError(Exception):
    """The archive is damaged, or asks for what no model's archive needs; the text says what."""


class _Stream(gzip.GzipFile):
    """The archive's bytes, unpacked, as long as there are not too many of them."""

    limit = 0
    last = b""

    def read(self, size: int | None = -1) -> bytes:
        if size is None or not 0 <= size <= _LARGEST_HEADER:
            raise ArchiveError(f"a header claims to have {size} bytes")
        self.last = super().read(size)
        if self.tell() > self.limit:
            raise ArchiveError(f"it unpacks to more than {self.limit} bytes")
        return self.last


def unpack(archive: IO[bytes], folder: Path) -> None:
    """Unpack an archive.

    Args:
        archive: A ``.tar.gz`` that can be read from its start.
        folder: Exists, and holds no links; keeps what was unpacked before an error.

    Raises:
        ArchiveError: The archive is damaged or has something behind its end; a member is a link, a
            device or anything else but a file or a folder, or its name leads out of the folder; or
            there are too many members, bytes, or bytes for the archive's size.
    """
    packed = archive.seek(0, 2)
    archive.seek(0)
    limit = min(MOST_BYTES, max(SMALL, HIGHEST_RATIO * packed))
    try:
        with _Stream(fileobj=archive, mode="rb") as stream:
            stream.limit = limit + SMALL  # headers and padding are no content
            with tarfile.open(fileobj=stream, mode="r:") as tar:
                _unpack(tar, folder, limit=limit)
            _check_end(stream)
    except (tarfile.TarError, zlib.error, EOFError, OSError, ValueError, RecursionError) as error:
        raise ArchiveError(f"{error.__class__.__name__}: {error}") from error


def _unpack(tar: tarfile.TarFile, folder: Path, *, limit: int) -> None:
    count = size = 0
    while (member := tar.next()) is not None:
        member.pax_headers = {}  # tarfile keeps every member, and nobody asks for these
        count, size = count + 1, size + member.size
        if count > MOST_MEMBERS:
            raise ArchiveError(f"it has more than {MOST_MEMBERS} members")
        if member.size < 0 or size > limit:
            raise ArchiveError(f"it unpacks to more than {limit} bytes")
        path = folder / _relative(member.name)
        if member.isdir():
            path.mkdir(parents=True, exist_ok=True)
        elif member.type in {tarfile.REGTYPE, tarfile.AREGTYPE} and not member.issparse():
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                shutil.copyfileobj(cast("IO[bytes]", tar.extractfile(member)), file, _PIECE)
            if member.mode & 0o100:
                path.chmod(0o755)
        else:
            raise ArchiveError(f"{member.name!r} is neither a file nor a folder")


def _relative(name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name:
        raise ArchiveError(f"{name!r} would be outside of its folder")
    if len(path.parts) > DEEPEST:
        raise ArchiveError(f"{name[:200]!r} is more than {DEEPEST} folders deep")
    return path


def _check_end(stream: _Stream) -> None:
    # A header that it cannot read is the archive's end to tarfile. gzip looks at the checksum, and
    # at what follows, when it has come to its own end.
    piece = stream.last
    while True:
        if piece.strip(b"\0"):
            raise ArchiveError("it is damaged, or something follows its end")
        if not (piece := stream.read(_PIECE)):
            return
