from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.api.datamodels._generated import DagRunType
from airflow.sdk.exceptions import ParamValidationError
from retraining import params
from retraining.runs import kinds as run_types

PARAMS = {
    "reuse_steps": "backfills",
    "approval_status": "Approved",
    "backfill_approval_status": "PendingManualApproval",
}


def run(kind: str) -> Any:
    return SimpleNamespace(run_type=DagRunType(kind))


@pytest.mark.parametrize("kind", ["scheduled", "backfill", "manual", "asset_triggered"])
def test_a_runs_type_is_read_as_airflow_writes_it(kind: str) -> None:
    """In a task it is a member of an enumeration, whose str() is another text."""
    assert run_types.run_type(run(kind)) == kind
    assert run_types.run_type(SimpleNamespace(run_type=kind)) == kind


def test_only_a_night_has_a_date_of_its_own() -> None:
    kinds = ("scheduled", "backfill", "manual", "asset_triggered")
    assert [run_types.has_own_date(run(kind)) for kind in kinds] == [True, True, False, False]


def test_a_backfills_versions_are_pending_whatever_the_nights_are() -> None:
    assert run_types.approval_status(run("scheduled"), PARAMS) == "Approved"
    assert run_types.approval_status(run("backfill"), PARAMS) == "PendingManualApproval"
    asked = PARAMS | {"backfill_approval_status": "Rejected"}
    assert run_types.approval_status(run("backfill"), asked) == "Rejected"


@pytest.mark.parametrize(
    ("chosen", "nightly", "backfill"),
    [("backfills", False, True), ("always", True, True), ("never", False, False)],
)
def test_steps_are_reused_where_it_was_chosen(chosen: str, nightly: bool, backfill: bool) -> None:
    params = PARAMS | {"reuse_steps": chosen}
    assert run_types.reuses_steps(run("scheduled"), params) is nightly
    assert run_types.reuses_steps(run("backfill"), params) is backfill


@pytest.mark.parametrize("reason", ["why\n", "\n", " why", "why\x00", "a\tb", "w" * 201, None, 7])
def test_a_reason_is_a_line_of_text(reason: object) -> None:
    param = params.retraining()["register_against_gate"]
    assert param.resolve("weil es so ist: ≥ {0}") == "weil es so ist: ≥ {0}"
    with pytest.raises(ParamValidationError):
        param.resolve(reason)


def test_who_registers_against_the_gate_is_who_triggered_the_run() -> None:
    asked = PARAMS | {"register_against_gate": "because {by}"}
    of = run("manual")
    of.triggering_user_name = "ada"
    assert run_types.against_gate(of, asked) == {"by": "ada", "reason": "because {by}"}
    assert run_types.against_gate(run("backfill"), asked)["by"] == "somebody (backfill run)"
    assert run_types.against_gate(of, PARAMS) == {}
