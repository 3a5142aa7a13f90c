from __future__ import annotations

from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowFailException
from retraining.runs.results import result_of


def test_templates_ask_airflow_once_a_task() -> None:
    asked = []

    def pull(task_id: str) -> dict[str, str]:
        asked.append(task_id)
        return {"snapshot": f"the {len(asked)}."}

    one, other = (SimpleNamespace(id=number, xcom_pull=pull) for number in (1, 2))
    found = [result_of(ti, "resolve_run")["snapshot"] for ti in (one, one, other)]
    assert found == ["the 1.", "the 1.", "the 2."]
    assert result_of(other, "train")["snapshot"] == "the 3."
    assert result_of(other, "resolve_run")["snapshot"] == "the 2."
    assert asked == ["resolve_run", "resolve_run", "train"]


def test_a_task_without_a_result_is_named() -> None:
    ti = SimpleNamespace(id=3, xcom_pull=lambda _: None)
    with pytest.raises(AirflowFailException, match=r"train left no result.*clear it"):
        result_of(ti, "train")
