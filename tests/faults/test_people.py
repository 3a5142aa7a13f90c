"""What a person does to a task that waits stops its job, and the log says so."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest

from tests.faults.campaign import Outcome, collect
from tests.faults.catalog import Case, Fault
from tests.faults.people import ACTIONS, CLEARED, act
from tests.faults.runs import OURS, PLAIN, STEPS, Run

if TYPE_CHECKING:
    from tests.faults.conftest import Record
    from tests.faults.stack import Stack

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

_STOP_S = 30.0
_WELCOME_S = 5.0
CASES = [Case(fault, step) for fault in ACTIONS for step in STEPS]


@pytest.fixture(scope="module")
def outcomes(
    stack: Stack, tmp_path_factory: pytest.TempPathFactory
) -> dict[tuple[str, str], Outcome]:
    folder = tmp_path_factory.mktemp("gates")
    held = [(case, Run(stack, folder, OURS)) for case in CASES]
    held += [(Case(fault, "train"), Run(stack, folder, PLAIN)) for fault in ACTIONS]
    for case, run in held:
        run.hold(case.step)
        run.start()
    for case, run in held:
        run.wait_deferred(case.step)
        act(run, case)
    for case, run in held:
        _wait_stopped(run, case.step)
        if case.fault is CLEARED:
            run.release(case.step)
    for _, run in held:
        run.wait_ended()
    tellers = collect(run for _, run in held)
    found = {
        (run.dag_id, str(case)): tell(case.step)
        for (case, run), tell in zip(held, tellers, strict=True)
    }
    for case, run in held:
        run.release(case.step)
    return found


def _wait_stopped(run: Run, step: str) -> None:
    # The tests tell what became of it; of the provider's it is not expected, but welcome.
    deadline = time.monotonic() + (_STOP_S if run.dag_id == OURS else _WELCOME_S)
    while run.jobs()[step][0] in {"InProgress", "Stopping"} and time.monotonic() < deadline:
        time.sleep(0.25)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_job_is_stopped_and_the_log_says_so(
    outcomes: dict[tuple[str, str], Outcome], case: Case, record: Record
) -> None:
    outcome = outcomes[OURS, str(case)]
    record(case, outcome, outcome.words(case.step))
    assert outcome.state == case.fault.state
    assert outcome.jobs == case.jobs
    assert outcome.left == 0
    assert outcome.versions == (outcome.run_state == "success")
    (name, *_) = outcome.run.job_names(case.step)
    assert re.search(rf"(?i)stop.*{name}|{name}.*stop", outcome.log)


@pytest.mark.parametrize("fault", ACTIONS, ids=lambda fault: fault.what)
def test_the_provider_lets_the_job_run_on(
    outcomes: dict[tuple[str, str], Outcome], fault: Fault, record: Record
) -> None:
    case = Case(fault, "train")
    outcome = outcomes[PLAIN, str(case)]
    record(case, outcome, outcome.words(case.step))
    # Ours is worth its lines only as long as the provider does not do it itself.
    assert "Stopped" not in outcome.jobs
