"""Runs many cases at once: each in a step of its own, several in one DAG run."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.faults.catalog import JUDGE, REGISTER, WAITING
from tests.faults.runs import OURS, STEPS, Run, jobs_by_run, versions_by_run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from tests.faults.catalog import Case
    from tests.faults.stack import Stack

ORDER = (*STEPS, JUDGE, REGISTER)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a case.

    Attributes:
        run: The run that it was a part of.
        run_state: How the run ended, or its state when nobody waited any longer.
        state: The same of the task.
        jobs: The ends of the step's jobs, the oldest first.
        left: How many jobs of the run still ran when it was over.
        versions: How many model versions the run has made.
        log: The task's log, all attempts.
    """

    run: Run
    run_state: str
    state: str
    jobs: tuple[str, ...]
    left: int
    versions: int
    log: str

    def words(self, step: str) -> str:
        """Say it in the words of the table."""
        parts = [{"success": "succeeds", "failed": "fails"}.get(self.state, self.state)]
        if step in STEPS:
            ends = ", ".join(self.jobs) if set(self.jobs) != {"Completed"} else ""
            count = f"{len(self.jobs)} job{'' if len(self.jobs) == 1 else 's'}"
            parts.append(f"{count} ({ends})" if ends else count)
        else:
            parts.append(f"{self.versions or 'no'} version{'' if self.versions < 2 else 's'}")
        if self.left:
            parts.append(f"{self.left} left running")
        return ", ".join(parts)


def pack(cases: Iterable[Case]) -> list[dict[str, Case]]:
    """Put cases together into runs: one a step, and nothing after a step that must fail."""
    runs: list[dict[str, Case]] = []
    for case in sorted(cases, key=lambda case: (not case.fault.is_fatal, -ORDER.index(case.step))):
        place = ORDER.index(case.step)
        for run in runs:
            fatal = [ORDER.index(step) for step, other in run.items() if other.fault.is_fatal]
            if case.step in run or (fatal and (case.fault.is_fatal or place > min(fatal))):
                continue
            run[case.step] = case
            break
        else:
            runs.append({case.step: case})
    return runs


def run_cases(
    stack: Stack,
    folder: Path,
    cases: Iterable[Case],
    *,
    dag_id: str = OURS,
    is_packed: bool = True,
    seconds: float = 1200,
) -> dict[str, Outcome]:
    """Run cases and return what came of each, by its name.

    Args:
        stack: Where.
        folder: For gates and markers.
        cases: Which.
        dag_id: Of whose operators.
        is_packed: Whether cases may share a run.
        seconds: When to look at runs that do not end.
    """
    started = []
    runs = pack(cases) if is_packed else [{case.step: case} for case in cases]
    for together in runs:
        run = Run(stack, folder, dag_id)
        for step, case in together.items():
            case.fault.inject(run, step)
            # The provider's operator does not wait for a job that has ended when it looks first.
            if dag_id != OURS and case.fault.point == WAITING:
                run.hold(step)
        run.start()
        started.append((run, together))
    ids = {run.run_id for run, _ in started}
    deadline = time.monotonic() + seconds
    while ids & stack.airflow.open_runs() and time.monotonic() < deadline:
        for run, together in started:
            for step, case in together.items():
                is_met = any(rule.hit for rule in run.rules.get(step, ()))
                if is_met and dag_id != OURS and case.fault.point == WAITING:
                    run.release(step)
        time.sleep(1)
    outcomes = {}
    for (run, together), found in zip(started, collect(run for run, _ in started), strict=True):
        for step, case in together.items():
            outcomes[str(case)] = found(step)
        for step in STEPS:
            run.release(step)
    return outcomes


def collect(runs: Iterable[Run]) -> list[Callable[[str], Outcome]]:
    """Look at runs that are over; return for each what tells the outcome of a step."""
    listed = list(runs)
    stack = listed[0].stack
    jobs, versions = jobs_by_run(stack), versions_by_run(stack)
    return [_teller(run, jobs.get(run.snapshot, {}), versions[run.snapshot]) for run in listed]


def _teller(run: Run, jobs: dict[str, list[str]], versions: int) -> Callable[[str], Outcome]:
    run_state, tasks = run.state(), run.tasks()
    left = sum(status in {"InProgress", "Stopping"} for step in jobs.values() for status in step)

    def tell(step: str) -> Outcome:
        return Outcome(
            run,
            run_state,
            str(tasks[step]["state"]),
            tuple(jobs.get(step, ())),
            left,
            versions,
            run.log(step),
        )

    return tell
