"""Where this deployment lives: bucket, role, images. Read from the environment."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# Caps how many SageMaker jobs run at once. It must exist, and count deferred tasks.
DEFAULT_JOB_POOL = "sagemaker_jobs"


class SettingsError(Exception):
    """A setting is missing or malformed; the message names its environment variable."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The values that differ between deployments, and nothing else.

    Attributes:
        bucket: The S3 bucket of snapshots, code and runs.
        role_arn: The execution role that SageMaker assumes for the jobs.
        image_uris: The URIs of images by ``framework:version``, or by
            ``framework:version:inference`` and so on where they differ; the SageMaker SDK is asked
            for any other.
        scripts_folder: The local folder with one folder of container scripts a pipeline; None for
            the ``include/scripts`` nearest above the DAG's file.
        git_commit: The commit that is deployed, where that is known.
        stop_orphans: Whether running jobs that nobody waits for are stopped, or only listed.
        approval_queue: The URL of the SQS queue with the registry's events, ``{group}`` standing
            for the model package group; None looks at the registry instead.
    """

    bucket: str
    role_arn: str
    image_uris: Mapping[str, str]
    scripts_folder: Path | None
    git_commit: str | None
    stop_orphans: bool
    approval_queue: str | None = None


_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_ROLE_ARN = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[\w+=,.@/-]+")
_QUEUE = re.compile(r"https?://[\w.:-]+/[0-9]{12}/[\w.{}-]+")
_POOL = re.compile(r"[\w.-]{1,256}")
_SCRIPTS = "RETRAINING_SCRIPTS_FOLDER"
_IMAGES = "RETRAINING_IMAGE_URIS"
_IMAGE = re.compile(r"([\w-]+:[\w.-]+(?::\w+)?)=([\w./:@-]+)")
_BOOLEAN = re.compile(r"true|false")
_COMMIT = re.compile(r"[0-9a-f]{7,64}")


@cache
def settings() -> Settings:
    """Read the settings from ``RETRAINING_*`` variables, once in a process.

    Raises:
        SettingsError: A variable is missing or malformed.
    """
    return Settings(
        bucket=_required("RETRAINING_BUCKET", _BUCKET, "an S3 bucket name"),
        role_arn=_required("RETRAINING_ROLE_ARN", _ROLE_ARN, "an IAM role ARN"),
        image_uris=_image_uris(),
        scripts_folder=Path(folder) if (folder := os.environ.get(_SCRIPTS)) else None,
        git_commit=_optional("RETRAINING_GIT_COMMIT", _COMMIT, "a git commit"),
        stop_orphans=_optional("RETRAINING_STOP_ORPHANS", _BOOLEAN, "true or false") == "true",
        approval_queue=_optional("RETRAINING_APPROVAL_QUEUE", _QUEUE, "an SQS queue's URL"),
    )


def job_pool() -> str:
    """Return the Airflow pool of the tasks that run jobs; a DAG file may ask without a place.

    Raises:
        SettingsError: ``RETRAINING_JOB_POOL`` is malformed.
    """
    return _optional("RETRAINING_JOB_POOL", _POOL, "the name of a pool") or DEFAULT_JOB_POOL


def _image_uris() -> dict[str, str]:
    found = {}
    for item in filter(None, map(str.strip, os.environ.get(_IMAGES, "").split(","))):
        match = _IMAGE.fullmatch(item)
        if match is None:
            raise SettingsError(
                f"{_IMAGES} has {item!r}, which is not of the form framework:version=uri"
            )
        found[match[1]] = match[2]
    return found


def _required(name: str, pattern: re.Pattern[str], what: str) -> str:
    value = _optional(name, pattern, what)
    if value is None:
        raise SettingsError(f"{name} is not set; it must be {what}")
    return value


def _optional(name: str, pattern: re.Pattern[str], what: str) -> str | None:
    value = os.environ.get(name) or None
    if value is not None and not pattern.fullmatch(value):
        raise SettingsError(f"{name}={value!r} is not {what}")
    return value
