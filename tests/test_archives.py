"""The jobs' kit and the embedded SageMaker unpack what anybody may have made by the same rules."""

from __future__ import annotations

import gzip
import importlib.util
import io
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
UNPACKERS = {
    "embedded SageMaker": ROOT / "local_sagemaker" / "archives.py",
    "kit": ROOT / "include" / "scripts" / "kit" / "archives.py",
}
FILE, FOLDER, LINK, SYMLINK = tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.LNKTYPE, tarfile.SYMTYPE
MEBIBYTE = 1024**2


@pytest.fixture(params=UNPACKERS)
def unpacker(request) -> Any:
    spec = importlib.util.spec_from_file_location("unpacker", UNPACKERS[request.param])
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def member(name: str, content: bytes = b"", **more: Any) -> bytes:
    """A member's header and content, as they lie in an archive."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for attribute, value in more.items():
        setattr(info, attribute, value)
    padding = b"\0" * (-len(content) % 512)
    return info.tobuf(tarfile.PAX_FORMAT) + content + padding


def archive(*members: bytes, end: bytes = b"\0" * 1024) -> bytes:
    return gzip.compress(b"".join(members) + end, mtime=0)


def changed(header: bytes, **fields: tuple[int, bytes]) -> bytes:
    """A header with fields at an offset replaced, and its checksum made anew."""
    found = bytearray(header)
    for at, value in fields.values():
        found[at : at + len(value)] = value
    found[148:156] = b" " * 8
    found[148:156] = b"%06o\0 " % sum(found[:512])
    return bytes(found)


def links_beyond_path_max(target: str) -> tuple[bytes, ...]:
    """CVE-2025-4517: names that ``realpath`` no longer follows, and the kernel does."""
    members, folder = [], ""
    for step in "abcdefghijklmnop":
        members += [
            member(f"{folder}{'d' * 247}", type=FOLDER, mode=0o755),
            member(f"{folder}{step}", type=SYMLINK, linkname="d" * 247),
        ]
        folder += f"{'d' * 247}/"
    through = "/".join("abcdefghijklmnop")
    return (
        *members,
        member(f"{through}/{'l' * 254}", type=SYMLINK, linkname="../" * 16),
        member("escape", type=SYMLINK, linkname=f"{through}/{'l' * 254}/{target}"),
        member("hard", type=LINK, linkname="escape/escaped"),
        member("hard", b"written"),
        member("escape/escaped", b"written"),
    )


def sparse(size: int) -> bytes:
    """A member of GNU's old sparse format: it claims a size and has no content."""
    header = tarfile.TarInfo("sparse").tobuf(tarfile.GNU_FORMAT)
    real = b"%011o\0" % size
    return changed(header, kind=(156, b"S"), real=(483, real))


HELLO = member("hello", b"hello")
HOSTILE: dict[str, bytes] = {
    "a name that climbs": archive(member("../escaped", b"x")),
    "a name that climbs and comes back": archive(member("a/../hello", b"x")),
    "an absolute name": archive(member("/tmp/escaped-from-an-archive", b"x")),
    "a folder that climbs": archive(member("../escaped", type=FOLDER)),
    "a name with a zero byte": archive(member("a\0b" + "c" * 200, b"x")),
    "a name longer than a file's may be": archive(member("n" * 300, b"x")),
    "a name longer than a path may be": archive(member("n/" * 90 + "n" * 250 + "/" + "m" * 4000)),
    "folders a thousand deep": archive(member("d/" * 1500 + "file", b"x")),
    "a file where a folder is": archive(member("a", type=FOLDER), member("a", b"x")),
    "a file in a file": archive(member("a", b"x"), member("a/b", b"x")),
    "a link": archive(member("link", type=SYMLINK, linkname="hello")),
    "a link out": archive(
        member("link", type=SYMLINK, linkname=".."), member("link/escaped", b"x")
    ),
    "a hard link": archive(HELLO, member("link", type=LINK, linkname="hello")),
    "links beyond PATH_MAX": archive(*links_beyond_path_max("../")),
    "a mode for a folder outside": archive(
        member("a", type=SYMLINK, linkname=".."), member("a/.", type=FOLDER, mode=0o777)
    ),
    "a device": archive(member("device", type=tarfile.CHRTYPE, devmajor=1, devminor=3)),
    "a block device": archive(member("device", type=tarfile.BLKTYPE)),
    "a pipe": archive(member("pipe", type=tarfile.FIFOTYPE)),
    "a type that nobody knows": archive(member("unknown", type=b"Z")),
    "a sparse file": archive(sparse(2**33 - 1)),
    "a size below nothing": archive(
        changed(HELLO[:512], size=(124, b"\xff" * 10 + b"\xfe\x00")), HELLO
    ),
    "a size beyond all bounds": archive(
        changed(HELLO[:512], size=(124, b"\x80" + b"\0" * 5 + b"\x10" + b"\0" * 5))
    ),
    "a header of twenty megabytes": archive(
        changed(
            tarfile.TarInfo("long").tobuf(tarfile.GNU_FORMAT),
            kind=(156, b"L"),
            size=(124, b"%011o\0" % (20 * MEBIBYTE)),
        ),
        b"n" * 20 * MEBIBYTE,
    ),
    "headers without end": archive(
        *[changed(HELLO[:512], kind=(156, b"x"), size=(124, b"%011o\0" % 0))] * 3000, HELLO
    ),
    "a bomb": archive(member("zeros", b"\0" * 70 * MEBIBYTE)),
    "a bomb behind the end": archive(HELLO, end=b"\0" * 70 * MEBIBYTE),
    "no archive": b"not an archive",
    "nothing": b"",
    "an archive that is not packed": HELLO + b"\0" * 1024,
    "a wrong checksum": archive(HELLO)[:-8] + b"\0\0\0\0" + archive(HELLO)[-4:],
    "a wrong length": archive(HELLO)[:-4] + b"\1\0\0\0",
    "no checksum": archive(HELLO)[:-8],
    "cut in the middle": archive(HELLO, member("more", os.urandom(4096)))[:-2000],
    "garbage behind it": archive(HELLO) + b"garbage",
    "another archive behind its end": archive(HELLO) + archive(member("more", b"more")),
    "garbage behind its end": archive(HELLO, end=b"\0" * 1024 + b"garbage"),
    "a damaged header": archive(HELLO, HELLO.replace(b"hello", b"hullo", 1), HELLO),
    "a member that is cut off": archive(HELLO, member("more", b"x" * 4096)[:2048], end=b""),
    "a header that is cut off": archive(HELLO, HELLO[:300], end=b""),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_archive_is_refused_and_leaves_nothing_outside(unpacker, case, tmp_path):
    outside = tmp_path / "outside"
    folder = outside / "folder"
    folder.mkdir(parents=True)
    (outside / "escaped").write_text("as it was")
    outside.chmod(0o750)
    with pytest.raises(unpacker.ArchiveError):
        unpacker.unpack(io.BytesIO(HOSTILE[case]), folder)
    assert sorted(path.name for path in outside.iterdir()) == ["escaped", "folder"]
    assert (outside / "escaped").read_text() == "as it was"
    assert outside.stat().st_mode & 0o777 == 0o750
    assert not Path("/tmp/escaped-from-an-archive").exists()
    assert not [path for path in folder.rglob("*") if path.is_symlink()]
    assert sum(path.stat().st_size for path in folder.rglob("*")) < 100 * MEBIBYTE


def test_too_many_members_are_refused(unpacker, tmp_path, monkeypatch):
    monkeypatch.setattr(unpacker, "MOST_MEMBERS", 20)
    unpacker.unpack(io.BytesIO(archive(*[HELLO] * 20)), tmp_path)
    with pytest.raises(unpacker.ArchiveError, match="more than 20 members"):
        unpacker.unpack(io.BytesIO(archive(*[HELLO] * 21)), tmp_path)


def test_what_tools_write_is_unpacked(unpacker, tmp_path):
    content = os.urandom(300_000)
    packed = archive(
        member("./", type=FOLDER, mode=0o700),
        member("./model.joblib", content),
        member("code/", type=FOLDER, mode=0o755),
        member("code/entry_point.py", b"first"),
        member("code/entry_point.py", b"second"),
        member("code/run.sh", b"#!/bin/sh", mode=0o4755),
        member("empty/", type=FOLDER),
        member("ümläut/" + "n" * 200, b"long"),
        member("zeros", b"\0" * 30 * MEBIBYTE),
    )
    unpacker.unpack(io.BytesIO(packed), tmp_path)
    assert (tmp_path / "model.joblib").read_bytes() == content
    assert (tmp_path / "code" / "entry_point.py").read_bytes() == b"second"
    assert (tmp_path / "code" / "run.sh").stat().st_mode & 0o7777 == 0o755
    assert (tmp_path / "empty").is_dir()
    assert (tmp_path / "ümläut" / ("n" * 200)).read_bytes() == b"long"
    assert (tmp_path / "zeros").stat().st_size == 30 * MEBIBYTE


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_what_tarfile_writes_is_unpacked(unpacker, form, tmp_path):
    source = tmp_path / "source"
    (source / "folder").mkdir(parents=True)
    (source / "folder" / "file").write_bytes(b"content")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", format=form) as tar:
        tar.add(source, arcname=".")
    target = tmp_path / "target"
    target.mkdir()
    unpacker.unpack(buffer, target)
    assert (target / "folder" / "file").read_bytes() == b"content"


def test_an_archive_of_several_packed_pieces_or_without_an_end_is_one(unpacker, tmp_path):
    halves = HELLO[:400], HELLO[400:] + b"\0" * 1024
    unpacker.unpack(io.BytesIO(b"".join(map(gzip.compress, halves)) + b"\0" * 100), tmp_path)
    unpacker.unpack(io.BytesIO(archive(member("more", b"more"), end=b"")), tmp_path)
    assert (tmp_path / "hello").read_bytes() + (tmp_path / "more").read_bytes() == b"hellomore"


def test_whatever_is_damaged_is_told_as_such(unpacker, tmp_path):
    plain = member("a" * 120, b"some content", pax_headers={"comment": "ä"}) + HELLO + b"\0" * 1024
    packed = gzip.compress(plain)
    broken = [packed[:at] + bytes([packed[at] ^ 0xFF]) + packed[at + 1 :] for at in range(0, 90, 3)]
    broken += [packed[:at] for at in range(0, len(packed), 5)]
    broken += [
        gzip.compress(plain[:at] + bytes([value]) + plain[at + 1 :], 1)
        for at in range(0, 1024, 13)
        for value in (0, 0x31, 0xFF)
    ]
    refused = 0
    for content in broken:
        # Nothing but the unpacker's own error may come of it.
        try:
            unpacker.unpack(io.BytesIO(content), tmp_path)
        except unpacker.ArchiveError:
            refused += 1
    assert refused > len(broken) / 2


def test_both_have_the_same_rules():
    ours, theirs = (path.read_text(encoding="utf-8") for path in UNPACKERS.values())
    assert ours == theirs
