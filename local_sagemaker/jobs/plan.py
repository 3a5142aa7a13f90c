"""What a job is made of, whatever its kind: the values between a request and its processes."""

from __future__ import annotations

import errno
import threading
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from local_sagemaker.access.grants import Objects
    from local_sagemaker.listing import Listing
    from local_sagemaker.patterns import Pattern
    from local_sagemaker.s3_places import Bucketed
    from local_sagemaker.store import Document

# The folder that SageMaker gives a container.
CONTAINER_ROOT = "/opt/ml"
_OF_NAMES = {
    errno.EEXIST,
    errno.EISDIR,
    errno.ELOOP,
    errno.ENAMETOOLONG,
    errno.ENOENT,
    errno.ENOTDIR,
}


class JobFailedError(Exception):
    """Ends a job as Failed; the text becomes its FailureReason."""


def failed(doing: str, error: Exception) -> JobFailedError:
    """Return the failure of a job whose files cannot be made, read or written.

    Args:
        doing: What failed, such as ``Failed to upload to s3://…``.
        error: Why. What a name or a tree of files is to blame for is the client's error.
    """
    blamed = isinstance(error, ValueError) or getattr(error, "errno", None) in _OF_NAMES
    whose = "ClientError" if blamed else "InternalServerError"
    return JobFailedError(f"{whose}: {doing}: {error.__class__.__name__}: {error}")


class Phase(Enum):
    """How far a job has come."""

    STARTING = "Starting"
    DOWNLOADING = "Downloading"
    RUNNING = "Running"
    UPLOADING = "Uploading"
    INTERRUPTED = "Interrupted"


class End(Enum):
    """Why a job's command is no longer running."""

    EXITED = "exited"
    STOPPED = "stopped"
    TIMED_OUT = "timed out"
    WAITED_OUT = "waited out"
    INTERRUPTED = "interrupted"


@dataclass(slots=True)
class Control:
    """What others may tell a running job.

    Attributes:
        stop: The caller asked for the job's end.
        shutdown: The server is about to end.
        wake: Set whenever there is news.
    """

    stop: bool = False
    shutdown: bool = False
    wake: threading.Event = field(default_factory=threading.Event)

    @property
    def told(self) -> bool:
        """Whether somebody wants the job to end."""
        return self.stop or self.shutdown


@dataclass(frozen=True, slots=True)
class Reports:
    """What is told of a job as it goes on.

    Attributes:
        begin: Takes each phase as it begins.
        stopping: Called when time is up, before the command is ended.
    """

    begin: Callable[[Phase], None]
    stopping: Callable[[], object]


class HostFiles(Protocol):
    """The names of all hosts and of one of them to the JSON documents that are this one's own."""

    def __call__(self, names: tuple[str, ...], current: str, /) -> Mapping[str, object]:
        """Return the documents by their names, relative to the container's root."""


@dataclass(frozen=True, slots=True)
class Download:
    """Objects to copy before the command starts.

    Attributes:
        source: A key prefix, with S3Prefix's meaning, or the key of a manifest.
        folder: Where to, relative to the container's root.
        manifest: `source` is a manifest.
        sharded: Each host gets its share of the objects, not all of them.
    """

    source: Bucketed
    folder: str
    manifest: bool = False
    sharded: bool = False


@dataclass(frozen=True, slots=True)
class CheckpointPlace:
    """Where a job's checkpoints are kept.

    Attributes:
        target: The folder in S3.
        folder: In the container, relative to its root.
    """

    target: Bucketed
    folder: str


class Planned(Protocol):
    """What the runner needs to know about one job, whatever it does."""

    @property
    def kind(self) -> JobKind:
        """Which kind of job it is."""

    @property
    def region(self) -> str:
        """Where it was created."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def arn(self) -> str:
        """Its ARN."""

    @property
    def role(self) -> str:
        """The role that it works as."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A job that runs a command: processing and training.

    Attributes:
        kind: Which kind of job it is.
        region: Where it was created.
        name: Its name.
        arn: Its ARN.
        role: The role that it works as.
        environment_folder: The environment that stands for its image.
        command: In the container's terms: paths below /opt/ml.
        variables: In the container's terms.
        downloads: Before the command starts.
        folders: To be made, relative to the container's root.
        files: JSON documents to be written, relative to the container's root.
        hosts: How many containers there are.
        host_files: See `HostFiles`.
        delivered: The folders whose files are the job's results, of all hosts together.
        metrics: Name and expression of the metrics to find in the log.
        image_metric: An expression for metrics of any name, see `Image.metric`; may be empty.
        maximum_runtime: In seconds, over all attempts.
        maximum_wait: In seconds, waiting included; None without managed spot training.
        checkpoints: None if there are none to keep.
        notice: The line with which its logs begin; may be empty.
    """

    kind: JobKind
    region: str
    name: str
    arn: str
    role: str
    environment_folder: Path
    command: tuple[str, ...]
    variables: Mapping[str, str]
    downloads: tuple[Download, ...]
    folders: tuple[str, ...]
    files: Mapping[str, object]
    hosts: int
    host_files: HostFiles
    delivered: tuple[str, ...]
    metrics: tuple[tuple[str, Pattern], ...]
    image_metric: str
    maximum_runtime: float
    maximum_wait: float | None = None
    checkpoints: CheckpointPlace | None = None
    notice: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job ended.

    Attributes:
        end: Why.
        exit_code: Of the command, on the host that failed if one did; None if it was never started.
            A job without a command that has done its work has 0.
        metrics: Name to the last value in the log and its time, in epoch seconds.
        root: The folder that stood for /opt/ml on that host, else on the first; has the results of
            all hosts.
    """

    end: End
    exit_code: int | None
    metrics: Mapping[str, tuple[float, float]]
    root: Path


class Run(Protocol):
    """Takes a job from its start to its end."""

    def __call__(
        self, tools: Any, plan: Any, folder: Path, /, *, control: Control, reports: Reports
    ) -> Outcome:
        """Return how the job ended; none of its processes is left.

        Args:
            tools: `Attempts`, which knows plans and so is not known here.
            plan: What the kind itself has planned.
            folder: The job's own, to be made if it is needed.
            control: Watched meanwhile.
            reports: Told meanwhile.

        Raises:
            JobFailedError: The job could not do its work.
        """


class Begin(Protocol):
    """Description, phase and time to what changes in the description."""

    def __call__(self, job: Document, phase: Phase, /, *, now: float) -> dict[str, object]:
        """Return the new members."""


class Deliver(Protocol):
    """Uploads what a command left; raises `JobFailedError`."""

    def __call__(self, job: Document, outcome: Outcome, /, *, s3: Objects) -> dict[str, object]:
        """Return the description's new members."""


class Conclude(Protocol):
    """Description, last status, why the command ended, and time to what changes."""

    def __call__(self, job: Document, status: str, /, *, end: End, now: float) -> dict[str, object]:
        """Return the new members."""


@dataclass(frozen=True, slots=True)
class JobKind:
    """What tells one kind of job from another.

    Attributes:
        noun: ``processing``, ``training`` …
        prefix: Of the members' names: ``ProcessingJobName``, ``TrainingJobArn`` …
        log_group: Where CloudWatch Logs has the output.
        name_taken: The service's words for a name that is in use, before the ARN.
        listing: How jobs are listed.
        check: Refuses what the model allows and the service, or this emulator, does not.
        describe: Request to the first description, without name, ARN and times.
        plan: The emulator, which knows kinds and so is not known here, and a description to a plan;
            raises `RequestInvalidError` for what the job names and is not
            there, such as an image's environment.
        run: See `Run`.
        instance_type: What the request asks for; the quota's name.
        instance_count: How many of them.
        create: Time to a new job's further members.
        begin: See `Begin`.
        stopping: Description and time to what changes when the job is asked to stop.
        failure: How a command ended to the service's words for it.
        deliver: See `Deliver`.
        conclude: See `Conclude`.
        passing: Description and time to members that change as time passes; they are not kept.
        resumes: Whether the next start goes on with a job that the server's end has interrupted;
            others become Failed.
    """

    noun: str
    prefix: str
    log_group: str
    name_taken: str
    listing: Listing
    check: Callable[[Mapping[str, Any]], None]
    describe: Callable[[Mapping[str, Any]], dict[str, object]]
    plan: Callable[[Any, Document], Planned]
    run: Run
    instance_type: Callable[[Mapping[str, Any]], str]
    instance_count: Callable[[Mapping[str, Any]], int]
    create: Callable[[float], dict[str, object]]
    begin: Begin
    stopping: Callable[[Document, float], dict[str, object]]
    failure: Callable[[Outcome], str]
    deliver: Deliver
    conclude: Conclude
    passing: Callable[[Document, float], dict[str, object]]
    resumes: bool = False

    @property
    def resource(self) -> str:
        """The kind in ARNs and in the store."""
        return f"{self.noun}-job"

    def member(self, suffix: str) -> str:
        """Return a member's name: `JobName` to ``TrainingJobName``."""
        return f"{self.prefix}{suffix}"
