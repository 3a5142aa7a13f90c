from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from retraining.plugin.priority import NightlyFirst


def weight(run_id: str, steps_before: int) -> int:
    task = SimpleNamespace(get_flat_relative_ids=lambda upstream: {*range(steps_before)})  # noqa: ARG005
    ti: Any = SimpleNamespace(task=task, run_id=run_id)
    return NightlyFirst().get_weight(ti)


def test_the_nights_first_step_goes_before_a_backfills_last() -> None:
    assert weight("scheduled__2026-11-20", 0) > weight("backfill__2026-11-19", 99)
    assert weight("manual__2026-11-20", 0) > weight("backfill__2026-11-19", 1000)


def test_a_run_that_has_begun_goes_before_one_that_has_not() -> None:
    assert weight("backfill__2026-11-19", 3) > weight("backfill__2026-11-18", 1)
