"""Whatever a person does to a run, its state says so, and no job goes on that nobody waits for."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.faults.actions import Gate
from tests.faults.airflow_client import NotFoundError
from tests.faults.proxy import Rule
from tests.faults.runs import OURS, Run, jobs_by_run, versions_by_run
from tests.faults.stack import Stack, poll

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

_STEP = "preprocess"
# The points at which a person acts.
RESOLVES, WAITS, WORKS, REGISTERS = (
    "while its snapshot is waited for",
    "while its job is waited for",
    "while a worker creates its job",
    "while a worker registers",
)
FAILED, SUCCESS, CLEARED, TASK_FAILED = (
    "marked as failed",
    "marked as success",
    "cleared",
    "task marked as failed",
)
# What became of the run, and of the jobs of its first step.
CASES = {
    (FAILED, RESOLVES): ("failed", []),
    (FAILED, WAITS): ("failed", ["Stopped"]),
    (FAILED, WORKS): ("failed", ["Stopped"]),
    (FAILED, REGISTERS): ("failed", ["Completed"]),
    (SUCCESS, RESOLVES): ("success", []),
    (SUCCESS, WAITS): ("success", ["Stopped"]),
    (SUCCESS, WORKS): ("success", ["Stopped"]),
    (TASK_FAILED, WORKS): ("failed", ["Stopped"]),
    (CLEARED, WAITS): ("success", ["Stopped", "Completed"]),
    (CLEARED, WORKS): ("success", ["Stopped", "Completed"]),
}
# Long before the product was there, and so of no other test's run.
NIGHTS = ("1999-01-02", "1999-01-03")


@dataclass(slots=True)
class Held:
    """A run that is held at a point until it is let go."""

    run: Run
    point: str
    gate: Gate = field(default_factory=lambda: Gate(after=True))

    def start(self, number: int) -> None:
        """Start it."""
        run = self.run
        if self.point == RESOLVES:
            # Only a day that is not over yet is waited for.
            tomorrow = datetime.now(tz=UTC).date() + timedelta(days=1 + number)
            run.snapshot = tomorrow.isoformat()
            run.stack.airflow.start(OURS, run.run_id, {"snapshot": run.snapshot})
            return
        if self.point != REGISTERS:
            run.hold(_STEP)
        if self.point == WORKS:
            run.add(_STEP, Rule("CreateProcessingJob", self.gate, run=run.snapshot, step=_STEP))
        if self.point == REGISTERS:
            run.add("register_model", Rule("CreateModelPackage", self.gate, run=run.snapshot))
        run.start()

    def wait(self) -> None:
        """Wait until it is at its point."""
        if self.point in {WORKS, REGISTERS}:
            poll(self.gate.reached.is_set, what=f"{self.run.run_id}, {self.point}")
        else:
            self.run.wait_deferred("resolve_run" if self.point == RESOLVES else _STEP)

    def wait_stopped(self) -> None:
        """Wait until its first job has ended, as it must not end by itself."""
        if self.point in {WAITS, WORKS}:
            poll(
                lambda: self.run.jobs()[_STEP][0] == "Stopped",
                what=f"the end of the job of {self.run.run_id}, {self.point}",
                seconds=60,
            )

    def let_go(self) -> None:
        """Let it go on."""
        self.gate.opened.set()
        self.run.release(_STEP)


def act(run: Run, what: str) -> None:
    """Do what a person does."""
    airflow = run.stack.airflow
    if what == CLEARED:
        airflow.clear_run(OURS, run.run_id)
    elif what == TASK_FAILED:
        airflow.mark(OURS, run.run_id, task_id=_STEP, state="failed")
    else:
        airflow.mark_run(OURS, run.run_id, state={FAILED: "failed", SUCCESS: "success"}[what])


@pytest.fixture(scope="module")
def ended(
    stack: Stack, tmp_path_factory: pytest.TempPathFactory
) -> dict[tuple[str, str], tuple[str, list[str]]]:
    folder = tmp_path_factory.mktemp("gates")
    held = {case: Held(Run(stack, folder), case[1]) for case in CASES}
    for number, one in enumerate(held.values()):
        one.start(number)
    # As each is acted upon it leaves the pool of jobs to the next.
    for (what, _), one in held.items():
        one.wait()
        act(one.run, what)
        one.wait_stopped()
        one.let_go()
    states = {case: one.run.wait_ended() for case, one in held.items()}
    jobs = jobs_by_run(stack)
    return {
        case: (states[case], jobs.get(one.run.snapshot, {}).get(_STEP, []))
        for case, one in held.items()
    }


@pytest.mark.parametrize("case", CASES, ids=", ".join)
def test_the_state_is_what_the_person_said_and_no_job_goes_on(
    ended: dict[tuple[str, str], tuple[str, list[str]]], case: tuple[str, str]
) -> None:
    assert ended[case] == CASES[case]


def test_a_run_that_goes_on_cannot_be_deleted_and_one_that_ended_can(
    stack: Stack, tmp_path: Path
) -> None:
    one = Held(Run(stack, tmp_path), WAITS)
    one.start(0)
    one.wait()
    with pytest.raises(AssertionError, match="cannot be deleted in running state"):
        stack.airflow.delete_run(OURS, one.run.run_id)
    act(one.run, FAILED)
    one.wait_stopped()
    stack.airflow.delete_run(OURS, one.run.run_id)
    with pytest.raises(NotFoundError):
        one.run.state()


def test_a_pause_ends_nothing_and_what_is_marked_meanwhile_ends(
    stack: Stack, tmp_path: Path
) -> None:
    goes_on, marked = (Held(Run(stack, tmp_path), WAITS) for _ in range(2))
    for one in (goes_on, marked):
        one.start(0)
    for one in (goes_on, marked):
        one.wait()
    stack.airflow.pause(OURS, is_paused=True)
    try:
        act(marked.run, FAILED)
        marked.wait_stopped()
        goes_on.let_go()
        poll(lambda: goes_on.run.has_ended(_STEP), what="the job of the paused run")
        assert (goes_on.run.state(), marked.run.state()) == ("running", "failed")
    finally:
        stack.airflow.pause(OURS, is_paused=False)
    assert goes_on.run.wait_ended() == "success"
    assert goes_on.run.jobs()[_STEP] == ["Completed"]
    assert versions_by_run(stack)[goes_on.run.snapshot] == 1


def test_a_backfill_that_is_stopped_starts_no_further_night(stack: Stack, tmp_path: Path) -> None:
    dag_id = "nightly"
    nights = [Run(stack, tmp_path, dag_id, snapshot=night) for night in NIGHTS]
    for night in nights:
        night.hold(_STEP)
        night.land()
    backfill = stack.airflow.start_backfill(dag_id, NIGHTS[0], NIGHTS[-1], at_once=1)
    poll(lambda: any(night.jobs().get(_STEP) for night in nights), what="the first night's job")
    stack.airflow.cancel_backfill(backfill)
    for night in nights:
        night.release(_STEP)

    def ended() -> list[str]:
        states = [str(run["state"]) for run in stack.airflow.runs_by_date(dag_id).values()]
        return states if set(states) <= {"success", "failed"} else []

    # A night that has begun is a run like any other: who wants it to end marks it.
    assert sorted(poll(ended, what="the end of the nights")) == ["failed", "success"]
    assert sorted(night.jobs().get(_STEP, []) for night in nights) == [[], ["Completed"]]
