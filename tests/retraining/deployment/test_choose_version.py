"""What a person writes into the form's field for the version."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException
from retraining import params
from retraining.deployment import tasks


def choose(version: object) -> tuple[str, dict[str, Any]]:
    pushed: dict[str, Any] = {}
    given = {name: param.value for name, param in params.deployment("nothing-yet").items()}
    chosen = tasks.choose_version(
        group="nothing-yet",
        params=given | {"version": version},
        dag_run=SimpleNamespace(run_type="manual"),
        ti=SimpleNamespace(xcom_push=pushed.__setitem__),
    )
    return chosen, pushed


@pytest.mark.parametrize("version", [None, ""])
def test_an_empty_field_is_the_newest_version(become_a_task: Any, version: object) -> None:
    become_a_task()
    reason = "no approved version is to be deployed"
    assert choose(version) == ("nothing_to_do", {"reason": reason})


def test_digits_of_another_script_are_no_version(become_a_task: Any) -> None:
    become_a_task()
    with pytest.raises(AirflowFailException, match="'١' is neither a version's number nor the ARN"):
        choose("١")
