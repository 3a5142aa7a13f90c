"""Takes each job from Starting to its end, a thread a job."""

from __future__ import annotations

import logging
import re
import shutil
import threading
import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from local_sagemaker.jobs.attempts import Attempts, Reports
from local_sagemaker.jobs.execution import Control, Execution
from local_sagemaker.jobs.plan import End, JobFailedError, JobKind, Outcome, Phase, Plan
from local_sagemaker.jobs.processes import end_marked

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from local_sagemaker.jobs.interruptions import Interruption
    from local_sagemaker.jobs.logs import JobLogs, Line
    from local_sagemaker.s3_state import S3State
    from local_sagemaker.store import Document, Store

RUNNING_STATUSES = ("InProgress", "Stopping")
_LONGEST_REASON = 1024
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
class Runner:
    """Runs jobs.

    Attributes:
        store: Where descriptions are kept.
        s3: Where inputs come from and outputs go to.
        logs: Where output lines go to.
        execution: How commands are run.
        folder: Below it every job has a folder of its own while it runs.
        endpoint: This server's URL, for the jobs.
        keep_folders: Leave the jobs' folders for a look at them.
        interruptions: Which jobs of managed spot training are interrupted.
    """

    store: Store
    s3: S3State
    logs: JobLogs
    execution: Execution
    folder: Path
    endpoint: str
    keep_folders: bool
    interruptions: tuple[Interruption, ...] = ()
    _running: dict[str, tuple[threading.Thread, Control]] = field(default_factory=dict)
    _closing: threading.Event = field(default_factory=threading.Event)

    def start(self, plan: Plan) -> None:
        """Run a job whose description is in the store; return at once."""
        control = Control()
        if self._closing.is_set():
            control.shutdown = True
            control.wake.set()
        thread = threading.Thread(target=self._run, args=(plan, control), name=plan.arn)
        self._running[plan.arn] = thread, control
        thread.start()

    def stop(self, arn: str) -> None:
        """Ask a job to end; return at once."""
        if running := self._running.get(arn):
            running[1].stop = True
            running[1].wake.set()

    def shutdown(self) -> None:
        """End all jobs as Failed; return when no process of theirs is left."""
        self._closing.set()
        while running := list(self._running.values()):
            for _, control in running:
                control.shutdown = True
                control.wake.set()
            for thread, _ in running:
                thread.join()

    def recover(self, kinds: tuple[JobKind, ...]) -> None:
        """Clean up after a server that ended without `shutdown`: processes, jobs, folders."""
        if killed := end_marked(f"{self.store.identity}/"):
            log.warning("Killed processes of jobs that outlived the last server: %s", killed)
        for region in self.store.regions():
            for kind in kinds:
                for job in self.store.every(region, kind.resource):
                    if job[kind.member("JobStatus")] in RUNNING_STATUSES:
                        self._conclude(region, kind, job=job, reason=_INTERRUPTED)
        if not self.keep_folders:
            shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True, exist_ok=True)

    def _run(self, plan: Plan, control: Control) -> None:
        folder = self.folder / f"{plan.name}-{uuid.uuid4().hex[:8]}"
        status, end, changes = "Failed", End.EXITED, dict[str, object]()
        reason: str | None = _BROKEN
        try:
            outcome = self._prepare_and_execute(plan, folder, control=control)
            end = outcome.end
            if control.shutdown:
                reason = _INTERRUPTED
            else:
                status, reason, changes = self._deliver(plan, outcome)
        except JobFailedError as error:
            reason = str(error)
        except Exception:
            log.exception("%s", plan.arn)
        if not self.keep_folders:
            shutil.rmtree(folder, ignore_errors=True)
        job = self._description(plan)
        self._conclude(
            plan.region, plan.kind, job=job, status=status, reason=reason, end=end, changes=changes
        )
        log.info("%s: %s%s", plan.arn, status, f": {reason}" if reason else "")
        self._running.pop(plan.arn, None)

    def _prepare_and_execute(self, plan: Plan, folder: Path, *, control: Control) -> Outcome:
        metrics: dict[str, tuple[float, float]] = {}

        def watch(line: Line) -> None:
            _find_metrics(plan, line, found=metrics)

        attempts = Attempts(
            s3=self.s3,
            logs=self.logs,
            execution=self.execution,
            endpoint=self.endpoint,
            identity=self.store.identity,
            interruptions=self.interruptions,
            keep_folders=self.keep_folders,
        )
        end, code, root = attempts.run(
            plan,
            folder,
            role=str(self._description(plan)["RoleArn"]),
            control=control,
            reports=Reports(
                begin=lambda phase: self._begin(plan, phase),
                stopping=lambda: self.mark_stopping(plan.region, plan.kind, name=plan.name),
                watch=watch,
            ),
        )
        if code is not None:
            self._begin(plan, Phase.UPLOADING)
        return Outcome(end, code, metrics, root)

    def _deliver(self, plan: Plan, outcome: Outcome) -> tuple[str, str | None, dict[str, object]]:
        failed = outcome.end is End.EXITED and outcome.exit_code != 0
        reason = plan.kind.failure(outcome) if failed else None
        status = "Failed" if failed else "Completed" if outcome.end is End.EXITED else "Stopped"
        try:
            changes = plan.kind.deliver(self._description(plan), outcome, s3=self.s3)
        except JobFailedError as error:
            # The first thing that went wrong is what a reader needs.
            return "Failed", reason or str(error), {}
        return status, reason, changes

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

    def _begin(self, plan: Plan, phase: Phase) -> None:
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

    def _conclude(
        self,
        region: str,
        kind: JobKind,
        *,
        job: Document,
        status: str = "Failed",
        reason: str | None = None,
        end: End = End.EXITED,
        changes: dict[str, object] | None = None,
    ) -> None:
        def apply(held: Document) -> Document:
            now = time.time()
            ended = {**held, **(changes or {}), **kind.conclude(held, status, end=end, now=now)}
            ended |= {kind.member("JobStatus"): status, "LastModifiedTime": now}
            return {**ended, "FailureReason": reason[:_LONGEST_REASON]} if reason else ended

        name = str(job[kind.member("JobName")]).lower()
        self.store.update(region, kind.resource, name=name, change=apply)

    def _description(self, plan: Plan) -> Document:
        found = self.store.get(plan.region, plan.kind.resource, name=plan.name.lower())
        assert found is not None  # noqa: S101 -- jobs are never deleted
        return found


def _find_metrics(plan: Plan, line: Line, *, found: dict[str, tuple[float, float]]) -> None:
    timestamp, text = line
    if plan.image_metric:
        for part, name, value in re.findall(plan.image_metric, text):
            found[f"{part}:{name}"] = float(value), timestamp / 1000
    for name, pattern in plan.metrics:
        try:
            # An expression of the caller's may take for ever.
            match = pattern.search(text, timeout=1.0)
            if match and match.lastindex:
                found[name] = float(match[1]), timestamp / 1000
        except (TimeoutError, ValueError):
            continue
