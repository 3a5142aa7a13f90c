"""Tasks begin only with what the tasks before them have left."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

PLAN = {
    "endpoint_name": "e", "group": "e", "version_arn": "arn", "version_number": 8, "snapshot": "",
    "report_uri": "", "model_name": "", "config_name": "e-v8-00000000", "previous_config": None,
    "previous_arn": "", "passed_over": "", "is_restoring": False,
}  # fmt: skip


@pytest.fixture(scope="module")
def airflow(become_a_task: Any) -> SimpleNamespace:
    become_a_task()
    from retraining.deployment import tasks  # noqa: PLC0415
    from retraining.python_tasks import PipelineBranch, PipelineTask  # noqa: PLC0415

    return SimpleNamespace(kinds=(PipelineTask, PipelineBranch), deployment=tasks)


def test_a_task_without_the_result_of_another_fails_and_calls_nothing(
    airflow: SimpleNamespace,
) -> None:
    called: list[object] = []
    for kind in airflow.kinds:
        task = kind(
            task_id="t", python_callable=called.append, op_kwargs={"plan": None, "is_there": 0}
        )
        with pytest.raises(AirflowFailException, match=r"no result \(plan\).* clear it"):
            task.execute({})
    assert called == []


def test_what_was_done_by_another_plan_is_not_gone_on_with(airflow: SimpleNamespace) -> None:
    verify, keep = airflow.deployment.verify_version, airflow.deployment.keep_version
    with pytest.raises(AirflowFailException, match="deploy_version was about e-v7-00000000"):
        verify(plan=PLAN, deployed="e-v7-00000000", params={}, ti=None)
    with pytest.raises(AirflowFailException, match="verify_version was about e-v7-00000000"):
        keep(plan=PLAN, verified="e-v7-00000000", params={}, ti=None)
