"""What is written of an evaluation, and what is not."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING

import pytest

from tests.scripts.jobs import KIT, Outcome, files_below, run_cold

if TYPE_CHECKING:
    from pathlib import Path

WRITE = """
import sys, numpy as np
from pathlib import Path
from kit.evaluation import Smoke, write_evaluation
rows = 2_000
numbers = np.arange(rows, dtype=np.float32)
bodies = [f"{i},{i}" for i in range(rows)]
given = {"report": {"note": "n"}, "actual": numbers, "predicted": numbers,
         "smoke": Smoke(bodies, numbers)}
given |= eval(sys.argv[2])
write_evaluation(Path(sys.argv[1]), given.pop("report"), **given)
"""


def write(folder: Path, changes: str = "{}") -> Outcome:
    return run_cold("-c", WRITE, folder, changes, PYTHONPATH=KIT.parent)


def test_smoke_json_has_the_first_thousand_rows_in_their_order(tmp_path: Path) -> None:
    assert write(tmp_path / "out").code == 0
    files = files_below(tmp_path / "out")
    assert set(files) == {"evaluation.json", "predictions.csv", "smoke.json"}
    smoke = json.loads(files["smoke.json"])
    assert smoke["requests"] == [{"body": f"{i},{i}", "expected": i} for i in range(1_000)]
    assert len(files["predictions.csv"].splitlines()) == 2_001


def test_texts_of_predictions_are_quoted_where_they_must(tmp_path: Path) -> None:
    texts = ["a,b", 'c"d', "e"]
    changes = f"{{'actual': {texts}, 'predicted': {texts}, 'smoke': Smoke({texts}, [1, 2, 3])}}"
    assert write(tmp_path / "out", changes).code == 0
    lines = files_below(tmp_path / "out")["predictions.csv"].decode().splitlines()
    assert list(csv.reader(lines)) == [["actual", "predicted"], *([text] * 2 for text in texts)]


def test_a_metric_may_be_a_number_alone(tmp_path: Path) -> None:
    metrics = "{'r2_score': 0.7, 'mse': {'value': 2, 'standard_deviation': np.float32(0.5)}}"
    done = write(tmp_path / "out", f"{{'report': {{'a_metrics': {metrics}, 'b_metrics': [1]}}}}")
    assert (done.code, done.stdout) == (0, "test:mse=2.000000; (± 0.500000)\n")
    assert b'"r2_score": 0.7' in files_below(tmp_path / "out")["evaluation.json"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ("{'actual': numbers[1:]}", "1999 actual and 2000 predicted values, 2000 requests and"),
        ("{'smoke': Smoke(bodies, numbers[:5])}", "2000 requests and 5 answers: each test row"),
        (
            "{'report': {'a_metrics': {'mse': {'value': '0.7', 'standard_deviation': 0}}}}",
            "evaluation.json: a_metrics.mse is '0.7' (± 0); a metric's value and",
        ),
        (
            "{'report': {'a_metrics': {'mse': {'value': 0, 'standard_deviation': None}}}}",
            "evaluation.json: a_metrics.mse is 0 (± None)",
        ),
        ("{'report': {'mse': np.nan}}", "Out of range float values are not JSON compliant"),
        ("{'smoke': Smoke(bodies, [np.inf] * rows)}", "Out of range float values"),
        ("{'smoke': Smoke(bodies, [Path()] * rows)}", "JSON has no word for PosixPath"),
        ("{'smoke': Smoke(bodies, ['a,b'] * rows)}", "text/csv cannot carry 'a,b': answer in"),
    ],
)
def test_nothing_is_written_of_what_cannot_be(changes: str, expected: str, tmp_path: Path) -> None:
    done = write(tmp_path / "out", changes)
    assert done.code == 1
    assert expected in done.stderr
    assert not (tmp_path / "out").exists() or files_below(tmp_path / "out") == {}
