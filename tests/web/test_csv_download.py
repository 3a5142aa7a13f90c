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
        "fault": "",
        "metric": {"path": "regression_metrics.r2_score", "name": "r2_score", "threshold": 0.6},
        "metrics": {"regression_metrics.r2_score": 0.7},
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


def test_the_headline_is_called_as_its_column() -> None:
    (found,) = read(csv_download.text([row()], {}))
    assert (found["metric"], found["threshold"]) == ("r2_score", "0.6")


def test_metrics_of_one_name_keep_their_paths_in_all_rows() -> None:
    path = "regression_metrics.r2_score"
    rows = [row(), row(metric=None, metrics={path: 0.6, "train_metrics.r2_score": 0.9})]
    first, second = read(csv_download.text(rows, {}))
    assert (first["metric"], first[path], first["train_metrics.r2_score"]) == (path, "0.7", "")
    assert (second[path], second["train_metrics.r2_score"]) == ("0.6", "0.9")


def test_a_metric_that_is_called_as_another_column_is_told_apart() -> None:
    (found,) = read(csv_download.text([row(metrics={"m.seconds": 3.5, "m.rows_train": 2})], {}))
    assert (found["seconds"], found["metric m.seconds"]) == ("12.5", "3.5")
    assert (found["rows_train"], found["metric m.rows_train"]) == ("80", "2")


def test_what_a_row_lacks_is_empty() -> None:
    rows = [row(), row(metrics={}, metric=None, rows={}, version=None, approval=None)]
    first, second = read(csv_download.text(rows, {}))
    assert first["threshold"] == "0.6"
    assert [second[name] for name in ("threshold", "r2_score", "rows_train", "version")] == [""] * 4


def test_a_text_is_no_formula_for_a_spreadsheet() -> None:
    for text in ("=1+1", "+1", "-1", "@x", "\tx"):
        (found,) = read(csv_download.text([row(explanation=text)], {}))
        assert found["explanation"] == f"'{text}"
        assert f"'{text}" in read(csv_download.text([row(metrics={f"m['{text}']": 1})], {}))[0]


def test_a_text_may_have_commas_quotes_and_lines() -> None:
    text = 'a, "b"\nc'
    (found,) = read(csv_download.text([row(explanation=text)], {}))
    assert found["explanation"] == text


def test_what_could_not_be_read_stands_in_the_file_before_all_rows() -> None:
    said = ["3 of 7 decision records: S3 does not answer", "=1+1"]
    first, second, last = read(csv_download.text([row()], {}, notices=said))
    assert (first["verdict"], first["explanation"]) == ("notice", said[0])
    assert second["explanation"] == "'=1+1"
    assert {first["run_id"], first["r2_score"]} == {""}
    assert last["verdict"] == "pass"


def test_a_header_is_no_formula_for_a_spreadsheet() -> None:
    jobs = {"manual__1": {"@step": {"seconds": 1.0, "cost": None}}}
    odd = row(metrics={"m['=x']": 1, "m['\uff1dy']": 2}, rows={"+z": 3})
    head = next(csv.reader(io.StringIO(csv_download.text([odd], jobs), newline="")))
    assert {"'=x", "'\uff1dy", "rows_+z", "'@step_seconds"} <= {*head}
    assert not [name for name in head if name.startswith(("=", "+", "-", "@", "\uff1d"))]
