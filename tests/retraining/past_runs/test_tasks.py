from __future__ import annotations

import pytest
from airflow.sdk.exceptions import AirflowFailException
from retraining.past_runs import tasks


def test_a_worker_without_the_reports_libraries_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tasks, "find_spec", lambda name: None if name == "matplotlib" else name)
    with pytest.raises(AirflowFailException, match=r"^matplotlib cannot.*gated-retraining\[web\]"):
        tasks.report_past_runs()
