"""The triggerer and the scheduler die while tasks wait, and while workers talk to SageMaker."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.faults.actions import Gate
from tests.faults.campaign import collect
from tests.faults.catalog import AT_END, BETWEEN, WAITING, Case, Fault, end_rule
from tests.faults.proxy import Rule
from tests.faults.runs import OURS, PLAIN, STEPS, Run
from tests.faults.stack import Stack, poll

if TYPE_CHECKING:
    from tests.faults.conftest import Record

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

_POLLS = "(Describe|List)(Processing|Training)Jobs?"
DEATHS = [
    (program, number)
    for program in ("triggerer", "scheduler")
    for number in (signal.SIGKILL, signal.SIGTERM)
]


@dataclass(frozen=True, slots=True)
class Waiting:
    """Runs whose tasks wait for a job, each at another step."""

    ours: dict[str, Run]
    theirs: dict[str, Run]

    def all(self) -> list[tuple[str, Run]]:
        """Return each with its step."""
        return [*self.ours.items(), *self.theirs.items()]


@pytest.fixture(scope="module")
def waiting(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Waiting:
    folder = tmp_path_factory.mktemp("gates")
    found = Waiting(*({step: Run(stack, folder, dag) for step in STEPS} for dag in (OURS, PLAIN)))
    for step, run in found.all():
        run.hold(step)
        run.start()
    for step, run in found.all():
        run.wait_deferred(step)
    return found


@pytest.mark.parametrize(("program", "number"), DEATHS)
def test_a_death_stops_no_job_and_starts_none(
    stack: Stack, waiting: Waiting, program: str, number: signal.Signals
) -> None:
    stack.kill(program, number)
    count = len(stack.proxy.seen(_POLLS))
    stack.start(program)
    stack.wait_healthy()
    poll(lambda: len(stack.proxy.seen(_POLLS)) > count + 6, what="polls after the death")
    for _, run in waiting.all():
        assert not stack.proxy.seen("Stop.*", run=run.snapshot)
    for step, run in waiting.ours.items():
        assert run.task_state(step) == "deferred"
        assert run.jobs()[step] == ["InProgress"]


def test_after_all_deaths_the_runs_end_well(waiting: Waiting, record: Record) -> None:
    for step, run in waiting.all():
        run.release(step)
    for _, run in waiting.all():
        run.wait_ended()
    tellers = collect(run for _, run in waiting.all())
    outcomes = [(step, tell(step)) for (step, _), tell in zip(waiting.all(), tellers, strict=True)]
    for program, number in DEATHS:
        fault = Fault(f"{program} {number.name}", WAITING, STEPS)
        for step, outcome in outcomes:
            record(Case(fault, step), outcome, outcome.words(step))
    for _, outcome in outcomes[: len(STEPS)]:
        assert (outcome.run_state, outcome.jobs) == ("success", ("Completed",))
        assert (outcome.left, outcome.versions) == (0, 1)


def test_a_scheduler_that_dies_with_its_workers_leaves_no_second_job(
    stack: Stack, tmp_path_factory: pytest.TempPathFactory, record: Record
) -> None:
    folder = tmp_path_factory.mktemp("gates")
    held: list[tuple[str, str, Run, Gate]] = []
    for dag_id, steps in ((OURS, STEPS), (PLAIN, ("train",))):
        for step in steps:
            for point in (BETWEEN, AT_END):
                run, gate = Run(stack, folder, dag_id), Gate(after=point == BETWEEN)
                create = Rule("Create.*Job", gate, run=run.snapshot, step=step)
                run.add(step, create if point == BETWEEN else end_rule(run, step, gate))
                run.start()
                held.append((point, step, run, gate))
    for point, step, run, gate in held:
        poll(gate.reached.is_set, what=f"{run.run_id} held at {step} {point}")
    stack.kill("scheduler", signal.SIGKILL)
    for *_, gate in held:
        gate.opened.set()
    stack.start("scheduler")
    for _, _, run, _ in held:
        run.wait_ended()
    tellers = collect(run for _, _, run, _ in held)
    for (point, step, run, _), tell in zip(held, tellers, strict=True):
        outcome = tell(step)
        record(Case(Fault("scheduler SIGKILL", point, STEPS), step), outcome, outcome.words(step))
        if run.dag_id == OURS:
            assert (outcome.run_state, outcome.jobs) == ("success", ("Completed",))
            assert (outcome.left, outcome.versions) == (0, 1)
