"""Runs a job's command on all of its hosts, and again after an interruption.

A host is a folder that stands for /opt/ml and a group of processes of this machine. It has a name
and, as hosts must find one another by it, a loopback address of its own.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import zlib
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import TYPE_CHECKING

from local_sagemaker.jobs.checkpoints import Checkpoints
from local_sagemaker.jobs.container import JobFolder, job_environment
from local_sagemaker.jobs.inputs import fetch_input
from local_sagemaker.jobs.interruptions import Interruption, interruption_of
from local_sagemaker.jobs.metrics import Metrics
from local_sagemaker.jobs.plan import (
    CONTAINER_ROOT,
    Control,
    End,
    JobFailedError,
    Outcome,
    Phase,
    Plan,
    Reports,
    failed,
)
from local_sagemaker.jobs.transfers import place

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local_sagemaker.access.grants import Access, Grant
    from local_sagemaker.jobs.execution import Execution
    from local_sagemaker.jobs.logs import Line

_HOSTS_FILE = Path("/etc/hosts")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Host:
    """One host in one attempt.

    Attributes:
        number: From 1.
        plan: The job, with this host's own files.
        folder: Laid out.
        checkpoints: None if there are none to keep.
    """

    number: int
    plan: Plan
    folder: JobFolder
    checkpoints: Checkpoints | None


@dataclass(frozen=True, slots=True)
class Attempts:
    """Runs jobs.

    Attributes:
        grant: What the job's role may do: where inputs and checkpoints are and output goes to.
        access: Who may do what, for containers of other roles.
        execution: How commands are run.
        endpoint: This server's URL, for the jobs.
        identity: The state's, which begins the marks of processes.
        interruptions: Which jobs of managed spot training are interrupted.
        keep_folders: Leave the folders of interrupted attempts.
    """

    grant: Grant
    access: Access
    execution: Execution
    endpoint: str
    identity: str
    interruptions: tuple[Interruption, ...] = ()
    keep_folders: bool = False

    def run(self, plan: Plan, folder: Path, /, *, control: Control, reports: Reports) -> Outcome:
        """Run a job's command to its end.

        Args:
            plan: The job.
            folder: Gets a folder for each host.
            control: Watched meanwhile.
            reports: Told meanwhile.

        Returns:
            How it ended: on the host that did not end well first, else on the first host. There
            lie the results of all hosts. None of the job's processes is left.

        Raises:
            JobFailedError: An input or a checkpoint cannot be had, or a command cannot be started.
        """
        waits_until = time.monotonic() + (plan.maximum_wait or threading.TIMEOUT_MAX)
        left = plan.maximum_runtime
        spot = plan.maximum_wait is not None
        rule = interruption_of(self.interruptions, plan.name) if spot else None
        metrics: dict[str, tuple[float, float]] = {}
        attempt = 1
        while True:
            hosts = self._lay_out(plan, folder, attempt=attempt)
            reports.begin(Phase.DOWNLOADING)
            self._download(plan, hosts, control=control)
            if control.told:
                return Outcome(End.STOPPED, None, metrics, hosts[0].folder.root)
            reports.begin(Phase.RUNNING)
            started = time.monotonic()
            limits = {End.TIMED_OUT: started + left, End.WAITED_OUT: waits_until}
            if rule:
                limits[End.INTERRUPTED] = started + rule.after
            outcome = self._run_hosts(hosts, limits, control=control, reports=reports)
            metrics.update(outcome.metrics)
            outcome = replace(outcome, metrics=metrics)
            if outcome.end is not End.INTERRUPTED or rule is None:
                return outcome
            if control.told:
                return replace(outcome, end=End.STOPPED)
            reports.begin(Phase.INTERRUPTED)
            if not self.keep_folders:
                for host in hosts:
                    host.folder.remove()
            left -= time.monotonic() - started
            until = min(time.monotonic() + rule.wait, waits_until)
            control.wake.clear()
            if not control.told:
                control.wake.wait(until - time.monotonic())
            if control.told:
                return replace(outcome, end=End.STOPPED, exit_code=None)
            if until == waits_until:
                reports.stopping()
                return replace(outcome, end=End.WAITED_OUT, exit_code=None)
            rule = None
            reports.begin(Phase.STARTING)
            attempt += 1

    def _lay_out(self, plan: Plan, folder: Path, *, attempt: int) -> list[_Host]:
        bare = self.execution.isolation == "none"
        addresses = _addresses(plan)
        algo = tuple(f"algo-{number}" for number in range(1, plan.hosts + 1))
        # Where no name can be given to an address, the address is the name.
        named = not bare and _HOSTS_FILE.is_file()
        names = algo if named else addresses
        lines = (f"{address}\t{name}\n" for address, name in zip(addresses, names, strict=True))
        known = "".join(lines).encode() + (_HOSTS_FILE.read_bytes() if named else b"")
        hosts = []
        for number, (name, called) in enumerate(zip(names, algo, strict=True), start=1):
            own = replace(plan, files={**plan.files, **plan.host_files(names, name)})
            there = JobFolder(folder / (called if attempt == 1 else f"{called}-attempt-{attempt}"))
            there.make(own, rewrite_files=bare, hosts=known if named else b"")
            checkpoints = None
            if plan.checkpoints:
                checkpoints = Checkpoints(self.grant.s3, plan.checkpoints, there.root)
            hosts.append(_Host(number, own, there, checkpoints))
        return hosts

    def _download(self, plan: Plan, hosts: list[_Host], *, control: Control) -> None:
        for host in hosts:
            for item in plan.downloads:
                if control.told:
                    return
                fetch_input(
                    self.grant.s3,
                    item,
                    folder=host.folder.root / item.folder,
                    host=host.number - 1,
                    hosts=plan.hosts,
                    role=plan.role,
                    region=plan.region,
                )
            if host.checkpoints:
                host.checkpoints.restore()

    def _run_hosts(
        self,
        hosts: list[_Host],
        limits: Mapping[End, float],
        *,
        control: Control,
        reports: Reports,
    ) -> Outcome:
        if len(hosts) == 1:
            return self._run_host(hosts[0], limits, control=control, reports=reports)
        controls = [Control() for _ in hosts]
        ended: list[Outcome | Exception] = []

        def run(host: _Host, own: Control) -> None:
            try:
                ended.append(self._run_host(host, limits, control=own, reports=reports))
            except Exception as error:  # it is raised below, in the job's own thread
                ended.append(error)
            control.wake.set()

        threads = []
        try:
            for host, own in zip(hosts, controls, strict=True):
                thread = threading.Thread(target=run, args=(host, own), daemon=True)
                thread.start()
                threads.append(thread)
            while len(ended) < len(hosts) and not control.told and not _first_that_failed(ended):
                control.wake.wait()
                control.wake.clear()
        finally:
            for own in controls:
                own.stop = True
                own.wake.set()
            for thread in threads:
                thread.join()
        first = _first_that_failed(ended)
        if isinstance(first, Exception):
            raise first
        told = [how for how in ended if isinstance(how, Outcome)]
        chosen = first or next(how for how in told if how.root == hosts[0].folder.root)
        # The first thing that went wrong is what a reader needs.
        broken = chosen.end is End.EXITED and chosen.exit_code
        with suppress(JobFailedError) if broken else nullcontext():
            for host in hosts if chosen.end is not End.INTERRUPTED else []:
                if host.folder.root != chosen.root:
                    _gather(host, chosen.root)
        found = sorted((item for how in told for item in how.metrics.items()), key=_time)
        return replace(chosen, metrics=dict(found))

    def _run_host(
        self, host: _Host, limits: Mapping[End, float], *, control: Control, reports: Reports
    ) -> Outcome:
        plan = host.plan
        name = f"algo-{host.number}"
        stream = (plan.kind.log_group, f"{plan.name}/{name}-{int(time.time())}")
        first = [(time.time_ns() // 1_000_000, plan.notice)] if plan.notice else []
        self.grant.logs.write(plan.region, stream, lines=first)
        mark = f"{self.identity}/{plan.arn};{name};"

        def ship(lines: list[Line]) -> None:
            self.grant.logs.write(plan.region, stream, lines=lines)

        def tell(text: str) -> None:
            log.warning("%s, %s: %s", plan.arn, name, text)
            ship([(time.time_ns() // 1_000_000, text)])

        metrics = Metrics(plan, tell)
        with host.checkpoints.kept() if host.checkpoints else nullcontext():
            end, code = self.execution.run(
                plan,
                host.folder,
                environment=job_environment(
                    plan,
                    host.folder,
                    endpoint=self.endpoint,
                    mark=mark,
                    credentials=self.grant.credentials,
                ),
                control=control,
                ship=ship,
                metrics=metrics,
                limits=limits,
                ending=lambda end: None if end is End.INTERRUPTED else reports.stopping(),
            )
        return Outcome(end, code, metrics.found, host.folder.root)


def _addresses(plan: Plan) -> tuple[str, ...]:
    # Jobs that run at the same time may use the same port, each at addresses of its own.
    network = int(IPv4Address("127.0.0.0")) + ((1 + zlib.crc32(plan.arn.encode()) % 65_000) << 8)
    return tuple(str(IPv4Address(network + number)) for number in range(1, plan.hosts + 1))


def _first_that_failed(ended: list[Outcome | Exception]) -> Outcome | Exception | None:
    return next(
        (
            how
            for how in ended
            if isinstance(how, Exception) or how.end is not End.EXITED or how.exit_code
        ),
        None,
    )


def _time(metric: tuple[str, tuple[float, float]]) -> float:
    _, (_, when) = metric
    return when


def _gather(host: _Host, root: Path) -> None:
    for name in host.plan.delivered:
        source, target = place(host.folder.root, name), place(root, name)
        try:
            if source.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                _merge(source, target)
        except OSError as error:
            told = f"{CONTAINER_ROOT}/{name} of host algo-{host.number} cannot be collected"
            raise failed(told, error) from error


def _merge(source: Path, target: Path) -> None:
    """Move what lies at one place to another, into folders that are there; what is there stays."""
    waiting = [(source, target)]
    while waiting:  # not by calls of its own: a tree may be deeper than Python allows
        here, there = waiting.pop()
        if not os.path.lexists(there):
            here.rename(there)
        elif all(path.is_dir() and not path.is_symlink() for path in (here, there)):
            waiting += [(entry, there / entry.name) for entry in here.iterdir()]
