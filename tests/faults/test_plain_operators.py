"""The provider's operators under the same faults: nothing is asked of them, all is written down.

A run that makes the table tries every fault once, each at one of its steps; any other run only
those on which the difference rests.
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

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1500)]

# Where our operators make one job or one version, and the provider's more.
DIFFERENCES = (
    ("worker SIGKILL", BETWEEN, STEPS),
    ("worker SIGKILL", BETWEEN, (REGISTER,)),
    ("AlgorithmError", JOB, STEPS),
)
FAULTS = (*SERVICE_FAULTS, *DEATHS_OF_WORKERS, *FAILING_JOBS)


@pytest.fixture(scope="module")
def outcomes(
    stack: Stack, tmp_path_factory: pytest.TempPathFactory, writes_table: bool
) -> dict[str, tuple[Case, Outcome]]:
    cases = [
        Case(fault, fault.steps[number % len(fault.steps)])
        for number, fault in enumerate(FAULTS)
        if writes_table or (fault.what, fault.point, fault.steps) in DIFFERENCES
    ]
    folder = tmp_path_factory.mktemp("gates")
    found = run_cases(stack, folder, cases, dag_id=PLAIN, is_packed=False)
    return {str(case): (case, found[str(case)]) for case in cases}


def test_what_comes_of_each_fault_is_written_down(
    outcomes: dict[str, tuple[Case, Outcome]], record: Record
) -> None:
    for case, outcome in outcomes.values():
        # A run that failed at an earlier step tells nothing of this one.
        if all(rule.hit for rule in outcome.run.rules.get(case.step, ())):
            record(case, outcome)
    assert outcomes


@pytest.mark.parametrize("key", DIFFERENCES, ids=lambda key: f"{key[0]}, {key[1]}, {key[2][0]}")
def test_the_provider_pays_again(
    outcomes: dict[str, tuple[Case, Outcome]], key: tuple[str, str, tuple[str, ...]]
) -> None:
    for case, outcome in outcomes.values():
        if (case.fault.what, case.fault.point, case.fault.steps) == key:
            made = outcome.versions if case.step == REGISTER else len(outcome.jobs)
            assert made > 1
