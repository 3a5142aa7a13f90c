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
from tests.faults.stack import poll

if TYPE_CHECKING:
    from tests.faults.stack import Stack

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
NIGHTLY = "nightly"
# Before those of all other runs.
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

    def is_there(self) -> bool:
        """Tell whether it is at its point."""
        if self.point in {WORKS, REGISTERS}:
            return self.gate.reached.is_set()
        return self.run.is_deferred("resolve_run" if self.point == RESOLVES else _STEP)

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


@dataclass(slots=True)
class Seen:
    """What was seen of all runs, which run at the same time.

    Attributes:
        ends: The state of a case's run and the jobs of its first step.
        deletion: What Airflow says to who deletes a run that goes on.
        is_gone: Whether that run could be deleted when it had ended.
        paused: The states of two runs of a paused DAG: of one that was marked as failed
            meanwhile, and of one whose job has ended meanwhile.
        after_pause: How the latter ended, the jobs of its first step, and its model versions.
        nights: How the nights of a stopped backfill ended, and the jobs of their first steps.
    """

    ends: dict[tuple[str, str], tuple[str, list[str]]]
    deletion: str = ""
    is_gone: bool = False
    paused: tuple[str, str] = ("", "")
    after_pause: tuple[str, list[str], int] = ("", [], 0)
    nights: list[tuple[str, list[str]]] = field(default_factory=list)


@pytest.fixture(scope="module")
def seen(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    folder = tmp_path_factory.mktemp("gates")
    airflow = stack.airflow
    nights = [Run(stack, folder, NIGHTLY, snapshot=night) for night in NIGHTS]
    for night in nights:
        night.hold(_STEP)
        night.land()
    backfill = airflow.start_backfill(NIGHTLY, NIGHTS[0], NIGHTS[-1], at_once=1)
    held = {case: Held(Run(stack, folder), case[1]) for case in CASES}
    deleted, marked, goes_on = last = [Held(Run(stack, folder), WAITS) for _ in range(3)]
    for number, one in enumerate(held.values()):
        one.start(number)
    # Whoever is acted upon leaves the pool of jobs to others, which come in any order.
    coming = dict(held)
    while coming:
        case = poll(
            lambda: next((case for case, one in coming.items() if one.is_there()), None),
            what=f"the first of {[*coming]}",
        )
        one = coming.pop(case)
        act(one.run, case[0])
        if case[0] == CLEARED:
            one.wait_stopped()
            one.let_go()
    poll(lambda: any(night.jobs().get(_STEP) for night in nights), what="a job of the backfill")
    airflow.cancel_backfill(backfill)
    for night in nights:
        night.release(_STEP)
    for number, one in enumerate(last):
        one.start(number)
    for one in held.values():
        one.wait_stopped()
        one.let_go()
    poll(lambda: all(one.is_there() for one in last), what="the last runs")
    with pytest.raises(AssertionError) as refused:
        airflow.delete_run(OURS, deleted.run.run_id)
    act(deleted.run, FAILED)
    deleted.wait_stopped()
    deleted.let_go()
    airflow.delete_run(OURS, deleted.run.run_id)
    found = Seen({}, deletion=str(refused.value), is_gone=_is_gone(deleted.run))
    airflow.pause(OURS, is_paused=True)
    try:
        act(marked.run, FAILED)
        marked.wait_stopped()
        goes_on.let_go()
        poll(lambda: goes_on.run.has_ended(_STEP), what="the job of the paused run")
        found.paused = marked.run.state(), goes_on.run.state()
    finally:
        airflow.pause(OURS, is_paused=False)
    states = {case: one.run.wait_ended() for case, one in held.items()}
    state = goes_on.run.wait_ended()
    by_date = poll(lambda: _ended(stack), what="the end of the nights")
    jobs = {run: steps.get(_STEP, []) for run, steps in jobs_by_run(stack).items()}
    versions = versions_by_run(stack)[goes_on.run.snapshot]
    found.after_pause = state, jobs[goes_on.run.snapshot], versions
    found.nights = [(by_date[night.snapshot], jobs.get(night.snapshot, [])) for night in nights]
    found.ends |= {
        case: (states[case], jobs.get(one.run.snapshot, [])) for case, one in held.items()
    }
    return found


def _is_gone(run: Run) -> bool:
    try:
        run.state()
    except NotFoundError:
        return True
    return False


def _ended(stack: Stack) -> dict[str, str]:
    runs = stack.airflow.runs_by_date(NIGHTLY)
    states = {night: str(run["state"]) for night, run in runs.items()}
    return states if set(states.values()) <= {"success", "failed"} else {}


@pytest.mark.parametrize("case", CASES, ids=", ".join)
def test_the_state_is_what_the_person_said_and_no_job_goes_on(
    seen: Seen, case: tuple[str, str]
) -> None:
    assert seen.ends[case] == CASES[case]


def test_a_run_that_goes_on_cannot_be_deleted_and_one_that_ended_can(seen: Seen) -> None:
    assert "cannot be deleted in running state" in seen.deletion
    assert seen.is_gone


def test_a_pause_ends_nothing_and_what_is_marked_meanwhile_ends(seen: Seen) -> None:
    assert seen.paused == ("failed", "running")
    assert seen.after_pause == ("success", ["Completed"], 1)


def test_a_backfill_that_is_stopped_starts_no_further_night(seen: Seen) -> None:
    # A night that has begun is a run like any other: who wants it to end marks it.
    assert sorted(seen.nights) == [("failed", []), ("success", ["Completed"])]


@pytest.mark.parametrize(
    "conf",
    [
        {"r2_threshold": -1e308},
        {"r2_threshold": float("nan")},
        {"approval_hours": 10**20},
        {"snapshot": "٢٠٠١-٠١-٠١"},
        {"instance_type": "ml." + "m" * 10_000 + ".large"},
    ],
    ids=["far below", "NaN", "beyond 64 bits", "digits of another script", "long"],
)
def test_what_would_end_each_attempt_without_a_word_is_refused_at_the_start(
    stack: Stack, conf: dict[str, object]
) -> None:
    with pytest.raises(AssertionError, match=r"answered 4(00|22)"):
        stack.airflow.start(OURS, "refused", conf)
