from __future__ import annotations

from types import SimpleNamespace

import pytest
from airflow.sdk.api.datamodels._generated import DagRunType
from retraining import tasks


@pytest.mark.parametrize("kind", ["scheduled", "backfill", "manual", "asset_triggered"])
def test_a_runs_type_is_read_as_airflow_writes_it(kind: str) -> None:
    """In a task it is a member of an enumeration, whose str() is another text."""
    assert tasks._run_type(SimpleNamespace(run_type=DagRunType(kind))) == kind
    assert tasks._run_type(SimpleNamespace(run_type=kind)) == kind
