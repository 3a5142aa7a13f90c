"""A job that a person ends while no triggerer is there is stopped by the maintenance DAG."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.faults.campaign import collect
from tests.faults.catalog import WAITING, Case
from tests.faults.people import ACTIONS, act
from tests.faults.runs import Run
from tests.faults.stack import Stack, poll

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

_STEP = "preprocess"
_MAINTENANCE = "sagemaker_orphans"


def test_a_job_that_nobody_could_stop_is_stopped_by_the_maintenance_dag(
    stack: Stack, tmp_path: Path
) -> None:
    held = [(fault, Run(stack, tmp_path)) for fault in ACTIONS]
    for _, run in held:
        run.hold(_STEP)
        run.start()
    for _, run in held:
        run.wait_deferred(_STEP)
    stack.kill("triggerer", signal.SIGKILL)
    for fault, run in held:
        act(run, Case(fault, _STEP))
    stack.start("triggerer")
    stack.wait_healthy()
    for _, run in held:
        assert run.jobs()[_STEP][0] == "InProgress", "it is stopped already: this test is needless"
    stack.airflow.start(_MAINTENANCE, "manual__orphans", {})
    poll(lambda: stack.airflow.state(_MAINTENANCE, "manual__orphans") == "success", what="its end")
    log = stack.airflow.log(_MAINTENANCE, "manual__orphans", task_id="stop_orphans", attempt=1)
    for _, run in held:
        name = run.job_names(_STEP)[0]
        assert f"stopping {name}" in log
        poll(lambda run=run: run.jobs()[_STEP][0] == "Stopped", what=f"the stop of {name}")
        run.release(_STEP)
        run.wait_ended()
    for (fault, _), tell in zip(held, collect(run for _, run in held), strict=True):
        outcome = tell(_STEP)
        assert (outcome.jobs, outcome.left) == (fault.jobs, 0), (fault.what, WAITING)
