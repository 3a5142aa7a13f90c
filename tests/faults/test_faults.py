"""Our operators under every fault: exactly one job, at most one version, and a clear message."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.faults.campaign import Outcome, run_cases
from tests.faults.catalog import DEATHS_OF_WORKERS, FAILING_JOBS, SERVICE_FAULTS, Case

if TYPE_CHECKING:
    from tests.faults.conftest import Record
    from tests.faults.stack import Stack

CASES = [
    Case(fault, step)
    for fault in (*SERVICE_FAULTS, *DEATHS_OF_WORKERS, *FAILING_JOBS)
    for step in fault.steps
]

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def outcomes(
    stack: Stack, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> dict[str, Outcome]:
    chosen = [
        item.callspec.params["case"]
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.path == request.path
    ]
    return run_cases(stack, tmp_path_factory.mktemp("gates"), chosen)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_one_job_and_at_most_one_version(
    outcomes: dict[str, Outcome], case: Case, record: Record
) -> None:
    outcome = outcomes[str(case)]
    print(outcome.run.run_id, outcome.words(case.step), outcome.log, sep="\n")
    record(case, outcome, outcome.words(case.step))
    assert all(rule.hit for rule in outcome.run.rules.get(case.step, ())), "nothing was injected"
    assert outcome.state == case.fault.state
    assert outcome.jobs == case.jobs
    assert outcome.left == 0
    assert outcome.versions == (outcome.run_state == "success")
    assert re.search(case.fault.says, outcome.log)
