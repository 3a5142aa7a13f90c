"""The folder that stands for /opt/ml, and what a job's processes see of the world."""

from __future__ import annotations

import json
import logging
import re
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from local_sagemaker.jobs.plan import CONTAINER_ROOT, failed
from local_sagemaker.jobs.processes import MARK

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# The path itself and what lies below it; not /opt/mlflow, nor s3://bucket/opt/ml.
_IN_TEXT = re.compile(r"(?:(?<![\w./-])|(?<=file://))/opt/ml(?![\w.-])")
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

log = logging.getLogger(__name__)


class ContainerPlan(Protocol):
    """What is needed of a plan to lay out a folder and to start a command in it."""

    @property
    def region(self) -> str:
        """For AWS clients."""

    @property
    def environment_folder(self) -> Path:
        """The environment that stands for the image."""

    @property
    def command(self) -> tuple[str, ...]:
        """In the container's terms: paths below /opt/ml."""

    @property
    def variables(self) -> Mapping[str, str]:
        """In the container's terms."""

    @property
    def folders(self) -> tuple[str, ...]:
        """To be made, relative to the container's root."""

    @property
    def files(self) -> Mapping[str, object]:
        """JSON documents to be written, relative to the container's root."""


@dataclass(frozen=True, slots=True)
class JobFolder:
    """A container's place on disk, which is removed when its command has ended.

    Attributes:
        path: The whole of it.
    """

    path: Path

    @property
    def root(self) -> Path:
        """What stands for /opt/ml."""
        return self.path / "ml"

    @property
    def hosts_file(self) -> Path:
        """What is shown at /etc/hosts, if it exists."""
        return self.path / "hosts"

    def rewrite(self, text: str) -> str:
        """Replace /opt/ml in a text, wherever it begins a path."""
        return _IN_TEXT.sub(lambda _: str(self.root), text)

    def make(self, plan: ContainerPlan, *, rewrite_files: bool, hosts: bytes = b"") -> None:
        """Lay out the folders and files of a job.

        Args:
            plan: The job.
            rewrite_files: Also rewrite /opt/ml in the job's configuration, hyperparameters among
                it, as nothing will be seen at that path.
            hosts: What is to be shown at /etc/hosts; empty for the machine's own.

        Raises:
            JobFailedError: A name cannot be a folder's, or the disk refuses it.
        """
        try:
            self._make(plan, rewrite_files=rewrite_files)
            if hosts:
                self.hosts_file.write_bytes(hosts)
        except (OSError, ValueError) as error:
            raise failed("The job's folders cannot be made", error) from error

    def _make(self, plan: ContainerPlan, *, rewrite_files: bool) -> None:
        for name in ("home", "tmp", "stage", "work"):
            (self.path / name).mkdir(parents=True)
        for name in plan.folders:
            (self.root / name).mkdir(parents=True, exist_ok=True)
        for name, document in plan.files.items():
            file = self.root / name
            file.parent.mkdir(parents=True, exist_ok=True)
            text = json.dumps(document)
            file.write_text(self.rewrite(text) if rewrite_files else text, encoding="utf-8")

    def remove(self) -> None:
        """Remove it, whatever the job has made of it."""
        remove_folder(self.path)


def remove_folder(folder: Path) -> None:
    """Remove a folder with all that is in it; what cannot be removed stays.

    A tree may be deeper than Python can call itself, and than a path may be long.
    """
    # Not by the PATH: the server's may hold anything.
    command = ["/bin/rm", "-rf", "--", str(folder)]
    try:
        ended = subprocess.run(command, stderr=subprocess.PIPE, check=False)  # noqa: S603 -- a list
    except OSError:
        log.exception("%s cannot be removed", folder)
    else:
        if ended.returncode:
            log.warning("%s", ended.stderr.decode("utf-8", "replace").strip()[-1000:])


def base_environment(environment_folder: Path) -> dict[str, str]:
    """Return the variables that every process of an image has, as its interpreter starts."""
    return {
        "PATH": f"{environment_folder / 'bin'}:{_SYSTEM_PATH}",
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
    }


def job_environment(
    plan: ContainerPlan,
    folder: JobFolder,
    *,
    endpoint: str,
    mark: str,
    credentials: Mapping[str, str],
) -> Mapping[str, str]:
    """Return all the variables that a job's processes see; the server's own are not among them.

    Args:
        plan: The job.
        folder: Its folder.
        endpoint: This server, for the AWS clients of the job.
        mark: By which its processes are found, whatever they do.
        credentials: The variables with which its AWS clients call.
    """
    variables = {
        **base_environment(plan.environment_folder),
        "HOME": str(folder.path / "home"),
        "TMPDIR": str(folder.path / "tmp"),
        "AWS_REGION": plan.region,
        "AWS_DEFAULT_REGION": plan.region,
        **credentials,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL": endpoint,
        # AWS's training toolkit reads its own.
        "S3_ENDPOINT_URL": endpoint,
        "SAGEMAKER_BASE_DIR": CONTAINER_ROOT,
        **plan.variables,
    }
    rewritten = {name: folder.rewrite(value) for name, value in variables.items()}
    return {**rewritten, MARK: mark}
