"""Takes each job from Starting to its end, a thread a job."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from local_sagemaker.jobs.attempts import Attempts
from local_sagemaker.jobs.container import remove_folder
from local_sagemaker.jobs.plan import (
    Control,
    End,
    JobFailedError,
    JobKind,
    Outcome,
    Phase,
    Planned,
    Reports,
)
from local_sagemaker.jobs.processes import end_marked
from local_sagemaker.store import until_written

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from local_sagemaker.access.grants import Access, Grant
    from local_sagemaker.jobs.execution import Execution
    from local_sagemaker.jobs.interruptions import Interruption
    from local_sagemaker.jobs.logs import JobLogs
    from local_sagemaker.s3_state import S3State
    from local_sagemaker.store import Document, Store

RUNNING_STATUSES = ("InProgress", "Stopping")
_LONGEST_REASON = 1024
_LOOK_SECONDS = 0.02
# Beyond the grace, for all that is to be done when the processes have ended.
_SHUTDOWN_SECONDS = 30.0
_INTERRUPTED = (
    "InternalServerError: We encountered an internal error. Please try again. (The embedded"
    " SageMaker was stopped while the job was running.)"
)
_BROKEN = (
    "InternalServerError: We encountered an internal error. Please try again. (The embedded"
    " SageMaker's own log has the traceback.)"
)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Ended:
    """How a job ended, for its description."""

    status: str = "Failed"
    reason: str | None = None
    end: End = End.EXITED
    changes: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Runner:
    """Runs jobs.

    Attributes:
        store: Where descriptions are kept.
        s3: Where inputs come from and outputs go to.
        logs: Where output lines go to.
        access: What jobs may do with both.
        execution: How commands are run.
        folder: Below it every job has a folder of its own while it runs.
        endpoint: This server's URL, for the jobs.
        keep_folders: Leave the jobs' folders for a look at them.
        interruptions: Which jobs of managed spot training are interrupted.
    """

    store: Store
    s3: S3State
    logs: JobLogs
    access: Access
    execution: Execution
    folder: Path
    endpoint: str
    keep_folders: bool
    interruptions: tuple[Interruption, ...] = ()
    _running: dict[str, Control] = field(default_factory=dict)
    _closing: threading.Event = field(default_factory=threading.Event)

    def start(self, plan: Planned, *, stop: bool = False) -> None:
        """Run a job whose description is in the store; return at once.

        Args:
            plan: The job.
            stop: It was asked to end before.
        """
        control = Control(stop=stop)
        if stop:
            control.wake.set()
        if self._closing.is_set():
            control.shutdown = True
            control.wake.set()
        # The server's end does not wait for it for ever: see `shutdown`.
        thread = threading.Thread(
            target=self._run, args=(plan, control), name=plan.arn, daemon=True
        )
        self._running[plan.arn] = control
        try:
            thread.start()
        except RuntimeError:  # the machine has no more threads
            log.exception("%s", plan.arn)
            self._running.pop(plan.arn)
            self._conclude(plan.region, plan.kind, name=plan.name, ended=_Ended(reason=_BROKEN))

    def stop(self, arn: str) -> None:
        """Ask a job to end; return at once."""
        if control := self._running.get(arn):
            control.stop = True
            control.wake.set()

    def fail(self, region: str, kind: JobKind, *, name: str, reason: str) -> None:
        """Conclude a job that cannot be started."""
        self._conclude(region, kind, name=name, ended=_Ended(reason=reason))

    def shutdown(self) -> None:
        """End all jobs; return when no process of theirs is left.

        They become Failed, but for those that the next start goes on with. A job that does not end
        in time is left behind: its processes end with this one, and the next start concludes it.
        """
        self._closing.set()
        deadline = time.monotonic() + self.execution.grace + _SHUTDOWN_SECONDS
        while self._running and time.monotonic() < deadline:
            for control in list(self._running.values()):
                control.shutdown = True
                control.wake.set()
            time.sleep(_LOOK_SECONDS)
        for arn in list(self._running):
            log.error("%s has not ended in time", arn)

    def recover(self, kinds: tuple[JobKind, ...]) -> None:
        """Clean up after a server that ended without `shutdown`: processes, jobs, folders."""
        if killed := end_marked(f"{self.store.identity}/"):
            log.warning("Killed processes of jobs that outlived the last server: %s", killed)
        if not self.keep_folders:
            remove_folder(self.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        for kind in kinds:
            running = self.store.in_status(kind.resource, *RUNNING_STATUSES)
            for region, name in running if not kind.resumes else []:
                self._conclude(region, kind, name=name, ended=_Ended(reason=_INTERRUPTED))

    def _run(self, plan: Planned, control: Control) -> None:
        folder = self.folder / f"{plan.name}-{uuid.uuid4().hex[:8]}"
        ended = _Ended(reason=_BROKEN)
        try:
            grant = self.access.grant(plan.role, region=plan.region, arn=plan.arn)
            outcome = self._prepare_and_execute(plan, folder, control=control, grant=grant)
            interrupted = _Ended(reason=_INTERRUPTED, end=outcome.end)
            ended = interrupted if control.shutdown else self._deliver(plan, outcome, grant)
        except JobFailedError as error:
            ended = _Ended(reason=str(error))
        except Exception:
            log.exception("%s", plan.arn)
        # First, as the end needs room on the same disk.
        if not self.keep_folders:
            remove_folder(folder)
        if control.shutdown and plan.kind.resumes:
            self._forget(plan, control)
            return
        try:
            self._end(plan, ended)
        except Exception:  # something in it cannot be written on any disk
            log.exception("%s", plan.arn)
            self._end(plan, _Ended(reason=_BROKEN))
        finally:
            self._forget(plan, control)

    def _forget(self, plan: Planned, control: Control) -> None:
        # A job that has ended may be deleted, and another one of its name may run already.
        if self._running.get(plan.arn) is control:
            del self._running[plan.arn]

    def _end(self, plan: Planned, ended: _Ended) -> None:
        until_written(
            lambda: self._conclude(plan.region, plan.kind, name=plan.name, ended=ended),
            closing=self._closing,
            what=plan.arn,
        )
        reason = f": {ended.reason}" if ended.reason else ""
        log.info("%s: %s%s", plan.arn, ended.status, reason)

    def _prepare_and_execute(
        self, plan: Planned, folder: Path, *, control: Control, grant: Grant
    ) -> Outcome:
        tools = Attempts(
            grant=grant,
            access=self.access,
            execution=self.execution,
            endpoint=self.endpoint,
            identity=self.store.identity,
            interruptions=self.interruptions,
            keep_folders=self.keep_folders,
        )
        outcome = plan.kind.run(
            tools,
            plan,
            folder,
            control=control,
            reports=Reports(
                begin=lambda phase: self._begin(plan, phase),
                stopping=lambda: self.mark_stopping(plan.region, plan.kind, name=plan.name),
            ),
        )
        if outcome.exit_code is not None:
            self._begin(plan, Phase.UPLOADING)
        return outcome

    def _deliver(self, plan: Planned, outcome: Outcome, grant: Grant) -> _Ended:
        failed = outcome.end is End.EXITED and outcome.exit_code != 0
        reason = plan.kind.failure(outcome) if failed else None
        status = "Failed" if failed else "Completed" if outcome.end is End.EXITED else "Stopped"
        try:
            changes = plan.kind.deliver(self._description(plan), outcome, s3=grant.s3)
        except JobFailedError as error:
            # The first thing that went wrong is what a reader needs.
            return _Ended(reason=reason or str(error), end=outcome.end)
        return _Ended(status, reason=reason, end=outcome.end, changes=changes)

    def mark_stopping(self, region: str, kind: JobKind, *, name: str) -> bool:
        """Describe a job as Stopping; return whether it was in progress."""
        return self._change(
            region,
            kind,
            name=name,
            change=lambda job, now: {
                kind.member("JobStatus"): "Stopping",
                **kind.stopping(job, now),
            },
        )

    def _begin(self, plan: Planned, phase: Phase) -> None:
        self._change(
            plan.region,
            plan.kind,
            name=plan.name,
            change=lambda job, now: plan.kind.begin(job, phase, now=now),
        )

    def _change(
        self,
        region: str,
        kind: JobKind,
        *,
        name: str,
        change: Callable[[Document, float], dict[str, object]],
    ) -> bool:
        changed = False

        def apply(job: Document) -> Document:
            nonlocal changed
            if job[kind.member("JobStatus")] != "InProgress":
                return job
            changed = True
            now = time.time()
            return {**job, **change(job, now), "LastModifiedTime": now}

        self.store.update(region, kind.resource, name=name.lower(), change=apply)
        return changed

    def _conclude(self, region: str, kind: JobKind, *, name: str, ended: _Ended) -> None:
        def apply(held: Document) -> Document:
            now = time.time()
            concluded = kind.conclude(held, ended.status, end=ended.end, now=now)
            job = {**held, **ended.changes, **concluded, "LastModifiedTime": now}
            job[kind.member("JobStatus")] = ended.status
            return {**job, "FailureReason": ended.reason[:_LONGEST_REASON]} if ended.reason else job

        self.store.update(region, kind.resource, name=name.lower(), change=apply)

    def _description(self, plan: Planned) -> Document:
        found = self.store.get(plan.region, plan.kind.resource, name=plan.name.lower())
        assert found is not None  # noqa: S101 -- no job is deleted while it runs
        return found
