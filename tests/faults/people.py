"""What a person may do to a task that waits for its job."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.faults.catalog import WAITING, Case, Fault
from tests.faults.runs import STEPS

if TYPE_CHECKING:
    from tests.faults.runs import Run

CLEARED = Fault("cleared by a person", WAITING, STEPS, jobs=("Stopped", "Completed"))
ACTIONS = (
    Fault("marked as failed by a person", WAITING, STEPS, state="failed", jobs=("Stopped",)),
    Fault("marked as success by a person", WAITING, STEPS, jobs=("Stopped",)),
    CLEARED,
)


def act(run: Run, case: Case) -> None:
    """Do it."""
    airflow, where = run.stack.airflow, {"task_id": case.step}
    if case.fault is CLEARED:
        airflow.clear(run.dag_id, run.run_id, **where)
    else:
        airflow.mark(run.dag_id, run.run_id, **where, state=case.fault.state)
