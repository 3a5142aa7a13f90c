"""Where this deployment lives: bucket, role, image. Read from the environment."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

# Any version that the SDK knows for training *and* inference: what trained a model serves it.
DEFAULT_IMAGE_VERSION = "1.4-2-py312"
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
        image_uri: The container image of the jobs; None asks the SageMaker SDK.
        image_version: The scikit-learn image version to ask the SDK for.
        scripts_folder: The local folder with one folder of container scripts a pipeline.
        git_commit: The commit that is deployed, where that is known.
        stop_orphans: Whether running jobs that nobody waits for are stopped, or only listed.
        approval_queue: The URL of the SQS queue with the registry's events, ``{group}`` standing
            for the model package group; None looks at the registry instead.
    """

    bucket: str
    role_arn: str
    image_uri: str | None
    image_version: str
    scripts_folder: Path
    git_commit: str | None
    stop_orphans: bool
    approval_queue: str | None = None


_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_ROLE_ARN = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+")
_QUEUE = re.compile(r"https?://[\w.:-]+/\d{12}/[\w.{}-]+")
_POOL = re.compile(r"[\w.-]{1,256}")
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
        image_uri=os.environ.get("RETRAINING_IMAGE_URI") or None,
        image_version=os.environ.get("RETRAINING_IMAGE_VERSION") or DEFAULT_IMAGE_VERSION,
        scripts_folder=Path(os.environ.get("RETRAINING_SCRIPTS_FOLDER") or _default_scripts()),
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


def _default_scripts() -> Path:
    return Path(__file__).resolve().parents[2] / "include" / "scripts"


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
