from __future__ import annotations

from types import SimpleNamespace

from retraining.past_runs import tasks


def test_the_report_is_left_to_a_run_that_is_to_come() -> None:
    asked = {}

    def waiting(**question: object) -> int:
        asked.update(question)
        return 3

    run = SimpleNamespace(dag_id="nightly")
    ti = SimpleNamespace(task_id="report_history", get_ti_count=waiting)
    assert tasks.report_history(pipeline="p", dag_run=run, ti=ti) is None
    assert asked == {
        "dag_id": "nightly",
        "task_ids": ["report_history"],
        "states": ["null", "scheduled", "queued"],
    }
