"""Starts a job's command, follows its output, and ends it for good."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from local_sagemaker.jobs.isolation import supervisor_command
from local_sagemaker.jobs.logs import Line, follow_output
from local_sagemaker.jobs.plan import End, JobFailedError
from local_sagemaker.jobs.processes import MARK, end_marked

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from local_sagemaker.jobs.container import ContainerPlan, JobFolder
    from local_sagemaker.jobs.metrics import Metrics
    from local_sagemaker.jobs.plan import Control, Plan
    from local_sagemaker.jobs.warm_start import WarmProcess, WarmStarts

# How long ending everything at once may take before the kernel is asked a second time.
_HARD_STOP_SECONDS = 2.0
# For metrics in lines that were still unread when the command ended, by itself or not.
_METRICS_SECONDS, _METRICS_SECONDS_OF_STOPPED = 15.0, 1.0


class Supervisor(Protocol):
    """A started job's first process, whichever way it was started."""

    @property
    def pid(self) -> int:
        """It leads the job's session."""

    @property
    def returncode(self) -> int | None:
        """None as long as nobody has waited for its end."""

    def wait(self) -> int:
        """Return its exit code when it has ended."""

    def send_signal(self, number: int, /) -> None:
        """Signal it, unless it has ended."""


@dataclass(frozen=True, slots=True)
class Execution:
    """How to run commands on this machine.

    Attributes:
        isolation: What the kernel grants; see supervisor.py.
        grace: Seconds between SIGTERM and the end.
        warm_starts: Where jobs are forked from; None starts them all cold.
    """

    isolation: str
    grace: float
    warm_starts: WarmStarts | None = None

    def run(
        self,
        plan: Plan,
        folder: JobFolder,
        *,
        environment: Mapping[str, str],
        control: Control,
        ship: Callable[[list[Line]], None],
        metrics: Metrics,
        limits: Mapping[End, float],
        ending: Callable[[End], object],
    ) -> tuple[End, int]:
        """Run a job's command to its end.

        Args:
            plan: The job.
            folder: Its folder, laid out.
            environment: All of its variables, its mark among them.
            control: Watched meanwhile.
            ship: Takes batches of output lines.
            metrics: Sees every output line.
            limits: What ends the command when, by the monotonic clock.
            ending: Called when one of them has passed, before the command is ended.

        Returns:
            Why the command ended, and its exit code. None of the job's processes is left.
        """
        process = self._start_warm(plan, folder, environment=environment) or self.start(
            plan, folder, environment=environment
        )
        assert process.stdout is not None  # noqa: S101 -- asked for below
        ended = threading.Event()
        reader = threading.Thread(
            target=follow_output,
            args=(process.stdout, ship),
            kwargs={"watch": metrics.look, "ended": ended},
            daemon=True,
        )
        waiter = threading.Thread(target=_await, args=(process, ended, control.wake), daemon=True)
        try:
            reader.start()
            waiter.start()
            limit, deadline = min(limits.items(), key=lambda item: item[1])
            while not control.wake.wait(min(threading.TIMEOUT_MAX, deadline - time.monotonic())):
                if time.monotonic() >= deadline:
                    break
            end = End.EXITED
            if control.told:
                end = End.STOPPED
            elif not control.wake.is_set():
                end = limit
                ending(end)
            if end is not End.EXITED:
                self.end(process, ended)
            waiter.join()
            by_itself = end is End.EXITED
            left = _METRICS_SECONDS if by_itself else _METRICS_SECONDS_OF_STOPPED
            metrics.end_by(time.monotonic() + left)
            end_marked(environment[MARK])
            reader.join()
            process.stdout.close()
            return end, process.wait()
        except BaseException:  # such as a thread that cannot be started
            _signal_group(process, signal.SIGKILL)
            end_marked(environment[MARK])
            raise

    def start(
        self, plan: ContainerPlan, folder: JobFolder, *, environment: Mapping[str, str]
    ) -> subprocess.Popen[bytes]:
        """Start a command under a supervisor, which ends it when the calling thread ends.

        Raises:
            JobFailedError: It cannot be started.
        """
        command = supervisor_command(self._job(plan, folder))
        try:
            return subprocess.Popen(  # noqa: S603 -- the job's command, as a list to our program
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:  # such as a null byte in a variable
            raise JobFailedError(f"ClientError: The command cannot be started: {error}") from error

    def _start_warm(
        self, plan: Plan, folder: JobFolder, *, environment: Mapping[str, str]
    ) -> WarmProcess | None:
        if self.warm_starts is None:
            return None
        return self.warm_starts.start(
            self._job(plan, folder), plan.environment_folder, environment=environment
        )

    def _job(self, plan: ContainerPlan, folder: JobFolder) -> dict[str, object]:
        hosts = folder.hosts_file
        return {
            "command": [folder.rewrite(word) for word in plan.command],
            "folder": str(folder.path / "work"),
            "server": os.getpid(),
            "isolation": self.isolation,
            "ml": str(folder.root),
            "stage": str(folder.path / "stage"),
            **({"hosts": str(hosts)} if hosts.exists() else {}),
        }

    def end(self, process: Supervisor, ended: threading.Event) -> None:
        """End a command's processes: SIGTERM, and SIGKILL after the grace.

        Args:
            process: What `start` returned.
            ended: Set by whoever waits for the process.
        """
        _signal_group(process, signal.SIGTERM)
        if not ended.wait(self.grace):
            process.send_signal(signal.SIGHUP)
            if not ended.wait(_HARD_STOP_SECONDS):
                _signal_group(process, signal.SIGKILL)


def _await(process: Supervisor, ended: threading.Event, wake: threading.Event) -> None:
    process.wait()
    ended.set()
    wake.set()


def _signal_group(process: Supervisor, number: signal.Signals) -> None:
    if process.returncode is None:
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            return
