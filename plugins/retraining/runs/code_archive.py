"""The container scripts of a pipeline, packed reproducibly and uploaded under their own hash."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from retraining import naming
from retraining.aws.errors import about

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_s3 import S3Client


# The package that every pipeline's scripts may import.
KIT = "kit"


class ScriptsNotFoundError(Exception):
    """A pipeline has no folder of scripts, or an empty one."""


@dataclass(frozen=True, slots=True)
class CodeArchive:
    """One version of a pipeline's scripts.

    Attributes:
        sha256: Of the names and contents of the files: the same code is the same hash on every
            machine, whatever its clock, owner or file order.
        files: Content by name, sorted by name.
    """

    sha256: str
    files: Mapping[str, bytes]

    def tar_gz(self) -> bytes:
        """Return the files as a ``.tar.gz``, the same bytes for the same files."""
        packed = io.BytesIO()
        # The gzip header carries a time stamp, and each member an owner and one more.
        with (
            gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as compressed,
            tarfile.open(fileobj=compressed, mode="w", format=tarfile.PAX_FORMAT) as archive,
        ):
            for name, content in self.files.items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        return packed.getvalue()


def read_scripts(folder: Path) -> CodeArchive:
    """Read a pipeline's scripts, and what all pipelines' scripts share.

    Of ``folder`` the ``.py`` files at its top and ``requirements.txt`` are taken, and of the
    package ``kit`` beside it, or else of the one that this library brings, the ``.py`` files as
    ``kit/…``.

    Raises:
        ScriptsNotFoundError: There is no such folder or no script in it.
    """
    paths = [*folder.glob("*.py"), *folder.glob("requirements.txt")]
    if not any(path.suffix == ".py" for path in paths):
        raise ScriptsNotFoundError(
            f"there is no .py file in {folder}; set RETRAINING_SCRIPTS_FOLDER to the folder "
            f"that holds one folder of scripts a pipeline"
        )
    found = {path.name: path for path in paths}
    kit = folder.parent / KIT
    if not kit.is_dir():
        kit = Path(__file__).resolve().parents[1] / KIT
    found |= {f"{KIT}/{path.name}": path for path in kit.glob("*.py")}
    files = {name: found[name].read_bytes() for name in sorted(found)}
    digest = hashlib.sha256()
    for name, content in files.items():
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return CodeArchive(sha256=digest.hexdigest(), files=files)


def scripts_folder(dag_file: str) -> Path:
    """Return the folder ``include/scripts`` nearest above a DAG's file.

    Raises:
        ScriptsNotFoundError: There is none.
    """
    for folder in Path(dag_file).resolve().parents:
        if (found := folder / "include" / "scripts").is_dir():
            return found
    raise ScriptsNotFoundError(
        f"no folder above {dag_file} has include/scripts; set RETRAINING_SCRIPTS_FOLDER to the"
        " folder that holds one folder of scripts a pipeline"
    )


def upload(s3: S3Client, archive: CodeArchive, *, bucket: str, pipeline: str) -> str:
    """Put the scripts under their hash, unless they are there; return the folder's URI.

    The archive goes last: where it lies, the rest lies too.
    """
    uri = naming.code_uri(bucket, pipeline, archive.sha256)
    _, archive_key = naming.split_s3_uri(naming.source_archive_uri(uri))
    _, scripts_prefix = naming.split_s3_uri(naming.scripts_uri(uri))
    with about(uri):
        listed = s3.list_objects_v2(Bucket=bucket, Prefix=archive_key)
        if any(item["Key"] == archive_key for item in listed.get("Contents", [])):
            return uri
        for name, content in archive.files.items():
            s3.put_object(Bucket=bucket, Key=f"{scripts_prefix}{name}", Body=content)
        s3.put_object(Bucket=bucket, Key=archive_key, Body=archive.tar_gz())
    return uri
