from __future__ import annotations

import csv
import io
from typing import Any

from retraining.web import csv_download


def row(**more: Any) -> dict[str, Any]:
    return {
        "snapshot": "2026-11-20",
        "run_id": "manual__1",
        "run_type": "manual",
        "state": "success",
        "run_after": "2026-11-20T02:00:00+00:00",
        "seconds": 12.5,
        "verdict": "pass",
        "explanation": "r2 = 0.7 is ≥ 0.6",
        "metric": {"name": "r2_score", "threshold": 0.6},
        "metrics": {"r2_score": 0.7},
        "rows": {"train": 80},
        "version": 3,
        "approval": "Approved",
        "is_serving": True,
        **more,
    }


def read(text: str) -> list[dict[str, str]]:
    return [*csv.DictReader(io.StringIO(text, newline=""))]


def test_every_figure_has_its_column() -> None:
    jobs = {"manual__1": {"train": {"seconds": 4.0, "cost": None}}}
    (found,) = read(csv_download.text([row()], jobs))
    assert found["r2_score"] == "0.7"
    assert found["rows_train"] == "80"
    assert (found["train_seconds"], found["train_cost_usd"]) == ("4.0", "")


def test_what_a_row_lacks_is_empty() -> None:
    rows = [row(), row(metrics={}, metric=None, rows={}, version=None, approval=None)]
    first, second = read(csv_download.text(rows, {}))
    assert first["threshold"] == "0.6"
    assert [second[name] for name in ("threshold", "r2_score", "rows_train", "version")] == [""] * 4


def test_a_text_is_no_formula_for_a_spreadsheet() -> None:
    for text in ("=1+1", "+1", "-1", "@x", "\tx"):
        (found,) = read(csv_download.text([row(explanation=text)], {}))
        assert found["explanation"] == f"'{text}"


def test_a_text_may_have_commas_quotes_and_lines() -> None:
    text = 'a, "b"\nc'
    (found,) = read(csv_download.text([row(explanation=text)], {}))
    assert found["explanation"] == text
