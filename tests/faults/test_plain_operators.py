"""The provider's operators under the same faults: nothing is asked of them, all is written down.

A run that makes the table tries every fault at one of its jobs, and at each other step that it is
for; any other run only those on which the difference rests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.faults.campaign import Outcome, run_cases
from tests.faults.catalog import (
    BETWEEN,
    DEATHS_OF_WORKERS,
    FAILING_JOBS,
    JOB,
    REGISTER,
    SERVICE_FAULTS,
    Case,
)
from tests.faults.runs import PLAIN, STEPS

if TYPE_CHECKING:
    from tests.faults.conftest import Record
    from tests.faults.stack import Stack

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(2400)]

# Where our operators make one job or one version, and the provider's more.
DIFFERENCES = (
    ("worker SIGKILL", BETWEEN, STEPS),
    ("worker SIGKILL", BETWEEN, (REGISTER,)),
    ("AlgorithmError", JOB, STEPS),
)
_ROUNDS = 3
_LOT = 10
FAULTS = (*SERVICE_FAULTS, *DEATHS_OF_WORKERS, *FAILING_JOBS)


@pytest.fixture(scope="module")
def outcomes(
    stack: Stack, tmp_path_factory: pytest.TempPathFactory, writes_table: bool
) -> dict[str, tuple[Case, Outcome]]:
    cases = [
        Case(fault, step)
        for number, fault in enumerate(FAULTS)
        for step in _one_of_each_kind(fault.steps, number)
        if writes_table or (fault.what, fault.point, fault.steps) in DIFFERENCES
    ]
    folder = tmp_path_factory.mktemp("gates")
    found: dict[str, tuple[Case, Outcome]] = {}
    for _ in range(_ROUNDS):
        left = [case for case in cases if not _is_told(found.get(str(case)))]
        # Few at a time: these operators lose runs to the load that many of them make.
        for lot in (left[start : start + _LOT] for start in range(0, len(left), _LOT)):
            outcomes = run_cases(stack, folder, lot, dag_id=PLAIN, is_packed=False, seconds=240)
            found |= {str(case): (case, outcomes[str(case)]) for case in lot}
    return found


def _one_of_each_kind(steps: tuple[str, ...], number: int) -> list[str]:
    jobs = [step for step in steps if step in STEPS]
    others = [step for step in steps if step not in STEPS]
    return [*jobs[number % len(jobs) :][:1], *others] if jobs else others


def _is_told(found: tuple[Case, Outcome] | None) -> bool:
    # A run that failed at an earlier step, or never came so far, tells nothing of this one.
    return found is not None and all(rule.hit for rule in found[1].run.rules.get(found[0].step, ()))


def test_what_comes_of_each_fault_is_written_down(
    outcomes: dict[str, tuple[Case, Outcome]], record: Record
) -> None:
    for case, outcome in outcomes.values():
        if _is_told((case, outcome)):
            record(case, outcome, outcome.words(case.step))
        elif outcome.run_state == "success":
            record(case, outcome, "makes no such call")
    assert outcomes


@pytest.mark.parametrize("key", DIFFERENCES, ids=lambda key: f"{key[0]}, {key[1]}, {key[2][0]}")
def test_the_provider_pays_again(
    outcomes: dict[str, tuple[Case, Outcome]], key: tuple[str, str, tuple[str, ...]]
) -> None:
    for case, outcome in outcomes.values():
        if (case.fault.what, case.fault.point, case.fault.steps) == key:
            made = outcome.versions if case.step == REGISTER else len(outcome.jobs)
            assert made > 1
