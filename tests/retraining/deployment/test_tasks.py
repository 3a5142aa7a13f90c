"""What the tasks make of what they find, as Airflow's processes run them."""

from __future__ import annotations

from dataclasses import asdict
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from retraining.registry import versions

from tests.retraining.deployment.shop import BUCKET, ROLE

if TYPE_CHECKING:
    from retraining.deployment.plan import Plan

    from tests.retraining.deployment.shop import Shop

PARAMS = {
    "version": None,
    "smoke_rows": 3,
    "tolerance": None,
    "keep": 5,
    "memory_size_mb": 1024,
    "max_concurrency": 20,
    "instance_type": "",
}


class Ti(SimpleNamespace):
    """Stands for a task's instance: keeps what is pushed."""

    def xcom_push(self, key: str, value: object) -> None:
        setattr(self, key, value)


@pytest.fixture(scope="module")
def tasks(become_a_task: Any) -> Any:
    become_a_task(RETRAINING_BUCKET=BUCKET, RETRAINING_ROLE_ARN=ROLE)
    from retraining.deployment import tasks  # noqa: PLC0415 - Airflow's home must be known

    return tasks


def choose(tasks: Any, shop: Shop, ti: Ti, **params: Any) -> str:
    chosen: str = tasks.choose_version(
        group=shop.group,
        params=PARAMS | {"endpoint_name": shop.group} | params,
        dag_run=SimpleNamespace(run_type="scheduled", run_id="scheduled__1"),
        ti=ti,
    )
    return chosen


def evidence(task: str, plan: Plan) -> dict[str, str]:
    """What the task before it has left."""
    return {"deployed" if task == "verify_version" else "verified": plan.config_name}


@pytest.mark.parametrize("task", ["verify_version", "keep_version"])
def test_a_version_that_was_rejected_since_is_flipped_back(
    tasks: Any, shop: Shop, task: str
) -> None:
    version, plan = shop.register(2), shop.plan()
    assert plan is not None
    versions.reject(shop.client, version.arn, reason="by ute, just now")
    ti = Ti()
    chosen = getattr(tasks, task)(plan=asdict(plan), params=PARAMS, ti=ti, **evidence(task, plan))
    assert chosen == ("flip_back" if task == "verify_version" else None)
    assert "by ute, just now" in ti.reason
    assert ti.faulty == plan.config_name


@pytest.mark.parametrize("task", ["verify_version", "keep_version"])
def test_an_endpoint_that_is_gone_fails_the_run_and_not_the_version(
    tasks: Any, shop: Shop, task: str
) -> None:
    version, plan = shop.register(2), shop.plan()
    assert plan is not None
    ti = Ti()
    with pytest.raises(Exception, match="does not") as failed:
        getattr(tasks, task)(plan=asdict(plan), params=PARAMS, ti=ti, **evidence(task, plan))
    assert type(failed.value).__name__ == "AirflowFailException"
    assert not hasattr(ti, "reason")
    assert versions.describe(shop.client, version.arn).approval == versions.APPROVED


def test_what_serves_though_it_was_rejected_is_told(
    tasks: Any, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(
        "retraining.notifications.tell_alarm", lambda alarm, **_: told.append(alarm)
    )
    older, newer = shop.register(2, snapshot="2026-10-01"), shop.register(3)
    shop.run()
    versions.reject(shop.client, newer.arn, reason="it is biased")
    ti = Ti()
    assert choose(tasks, shop, ti) == "deploy_version"
    assert ti.plan["version_arn"] == older.arn
    (alarm,) = told
    assert alarm == ti.reason
    assert "version 2 serves though it is Rejected (it is biased)" in alarm
    versions.reject(shop.client, older.arn, reason="x")
    with pytest.raises(Exception, match=r"it is biased.*goes on serving.*Nothing was changed"):
        choose(tasks, shop, Ti())
