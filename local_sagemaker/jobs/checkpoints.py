"""A host's checkpoint folder and its copy in S3: restored at the start, kept alike from then on.

As on the service: files that appear or change are copied to S3 while the job runs and at its end,
files that the job deletes are deleted there, and what others put there later is not looked at.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections import Counter
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from local_sagemaker.jobs.plan import JobFailedError, failed
from local_sagemaker.jobs.transfers import files_below, objects_below, place, upload, write_files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from local_sagemaker.access.grants import Objects
    from local_sagemaker.jobs.plan import CheckpointPlace

_LOOK_SECONDS = 0.5
# A file that is written all the time is copied nevertheless, every so many looks.
_MOST_LOOKS = 10
# What AWS's containers call a file that is not for the service's eyes, or not yet.
_IGNORED = (".sagemaker-ignore", ".sagemaker-uploading", ".sagemaker-uploaded")

log = logging.getLogger(__name__)


class Checkpoints:
    """The checkpoints of one host, in one attempt."""

    def __init__(self, s3: Objects, at: CheckpointPlace, root: Path) -> None:
        """Keep nothing yet.

        Args:
            s3: The buckets.
            at: In S3 and in the container.
            root: What stands for /opt/ml.
        """
        self._s3, self._root, self._name = s3, root, at.folder
        # A folder, whether or not the caller wrote its slash.
        self._target = at.target.below("")
        # Name to size and time of change: what S3 has, and what the last look has found.
        self._copied: dict[str, tuple[int, int]] = {}
        self._seen: dict[str, tuple[int, int]] = {}
        self._looks: Counter[str] = Counter()

    def restore(self) -> None:
        """Make the folder, and copy what S3 has into it; there may be nothing yet.

        Raises:
            JobFailedError: There is no such bucket, or a key cannot be a file's name here.
        """
        target = self._target
        try:
            keys = self._s3.list_keys(target.bucket, target.key)
        except KeyError as error:
            raise JobFailedError(
                f"ClientError: CheckpointConfig.S3Uri: the bucket {target.bucket} does not exist."
            ) from error
        files = objects_below(self._s3, target, role="", region="") if keys else []
        write_files(self._s3, files, folder=self._root / self._name, source=target)
        self._seen = self._copied = self._look()

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Keep S3 alike during the block, and once more, to the last file, at its end.

        Raises:
            JobFailedError: A file cannot be read or copied, or a link is in the folder's place.
        """
        ended = threading.Event()
        thread = threading.Thread(target=self._follow, args=(ended,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
        try:
            self._copy(settled=True)
        except (OSError, sqlite3.Error) as error:
            raise failed(f"Failed to keep checkpoints in {self._target.uri}", error) from error

    def _follow(self, ended: threading.Event) -> None:
        told = ""
        while not ended.wait(_LOOK_SECONDS):
            try:
                self._copy(settled=False)
            except Exception as error:  # the copy at the end meets it again, and ends the job
                if told != str(error):
                    log.exception("checkpoints of %s", self._root)
                told = str(error)

    def _copy(self, *, settled: bool) -> None:
        found = self._look()
        problem: Exception | None = None
        for name, version in found.items():
            if self._copied.get(name) == version:
                continue
            self._looks[name] += 1
            changing = self._seen.get(name) != version and self._looks[name] < _MOST_LOOKS
            if changing and not settled:
                continue  # it is being written: the next look knows more
            try:
                content = (self._root / self._name / name).read_bytes()
                upload(self._s3, content, target=self._target.below(name))
            except FileNotFoundError:
                continue
            except Exception as error:  # the others are copied first
                problem = problem or error
                continue
            self._copied[name] = version
            del self._looks[name]
        self._seen = found
        for name in self._copied.keys() - found.keys():
            target = self._target.below(name)
            try:
                with suppress(KeyError):  # the bucket has gone, and the object with it
                    self._s3.delete(target.bucket, target.key)
            except Exception as error:
                problem = problem or error
                continue
            del self._copied[name]
        if problem:
            raise problem

    def _look(self) -> dict[str, tuple[int, int]]:
        found = {}
        for file, name in files_below(place(self._root, self._name)):
            if name.endswith(_IGNORED):
                continue
            try:
                told = file.stat()
            except FileNotFoundError:
                continue
            found[name] = told.st_size, told.st_mtime_ns
        return found
