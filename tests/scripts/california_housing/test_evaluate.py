"""The evaluation report, the predictions beside it, and what evaluation refuses."""

from __future__ import annotations

import csv
import gzip
import io
import json
import shutil
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from tests.scripts.jobs import SCRIPTS, files_below, pack, run_cold, without_times

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.scripts.jobs import Outcome, Run

# The metrics by scikit-learn, and their bootstrap by a plain loop with another generator.
REFERENCE = """
import json, sys, numpy as np, pandas as pd
from sklearn import metrics as m
def all_of(a, p):
    mse = m.mean_squared_error(a, p)
    return [mse, mse ** 0.5, m.mean_absolute_error(a, p), m.r2_score(a, p)]
pairs = pd.read_csv(sys.argv[1], float_precision="round_trip").to_numpy()
random = np.random.RandomState(1)
draws = [all_of(*pairs[random.randint(0, len(pairs), len(pairs))].T) for _ in range(400)]
print(json.dumps([all_of(*pairs.T), np.std(draws, axis=0, ddof=1).tolist()]))
"""

# What the model says to the rows as pandas reads them, with no entry point in between.
STRAIGHT = """
import sys, joblib, numpy as np, pandas as pd
test, predictions = (pd.read_csv(path, float_precision="round_trip") for path in sys.argv[2:])
straight = joblib.load(sys.argv[1]).predict(test.iloc[:, :8])
np.testing.assert_allclose(predictions["predicted"], straight, rtol=0, atol=1e-12)
"""


class Evaluation:
    """The evaluation job over a copy of a run's model and test split, to be spoiled."""

    def __init__(self, folder: Path, run: Run, run_warm: Callable[..., Outcome]) -> None:
        self.model = shutil.copytree(run.model, folder / "model-files")
        self.archive = folder / "model"
        self.test = shutil.copytree(run.preprocessed / "test", folder / "test")
        self.output = folder / "output"
        self.message = folder / "message"
        self._run_warm = run_warm

    def run(self, *options: object) -> Outcome:
        if not self.archive.exists():
            pack(self.model, self.archive)
        return self._run_warm(
            "evaluate.py",
            *("--model", self.archive, "--test", self.test, "--output", self.output),
            *("--message", self.message, "--bootstrap-samples", 20, *options),
        )

    def refusal(self, *options: object) -> str:
        outcome = self.run(*options)
        assert outcome.code == 1, outcome
        assert "Traceback" not in outcome.stderr
        assert not self.output.exists()
        message = self.message.read_text()
        assert outcome.stderr == message + "\n"
        return message

    def report(self) -> dict[str, Any]:
        return json.loads((self.output / "evaluation.json").read_text())

    def test_lines(self) -> list[str]:
        return (self.test / "test.csv").read_text().splitlines()

    def write_test(self, lines: list[str]) -> None:
        (self.test / "test.csv").write_text("\n".join(lines) + "\n")


@pytest.fixture
def evaluation(tmp_path: Path, raw_run: Run, run_warm: Callable[..., Outcome]) -> Evaluation:
    return Evaluation(tmp_path, raw_run, run_warm)


def test_raw_features_stay_below_the_gate(raw_run: Run) -> None:
    r2 = raw_run.report()["regression_metrics"]["r2_score"]["value"]
    assert r2 == pytest.approx(0.5869, abs=5e-5)


def test_engineered_features_pass_the_gate(engineered_run: Run) -> None:
    r2 = engineered_run.report()["regression_metrics"]["r2_score"]["value"]
    assert r2 == pytest.approx(0.7246, abs=5e-5)


def test_report_tells_rows_and_origin(engineered_run: Run) -> None:
    report = engineered_run.report()
    record = json.loads((engineered_run.model / "preprocessing.json").read_text())
    assert report["rows"] == {"snapshot": 20640, "train": 16541, "validation": 0, "test": 4099}
    assert report["features"] == "engineered"
    assert report["snapshot_fingerprint"] == record["fingerprint"]
    assert report["split_seed"] == 42
    assert report["bootstrap"] == {"samples": 1000, "seed": 42}


def test_report_tells_what_serving_costs(engineered_run: Run) -> None:
    serving = engineered_run.report()["serving_metrics"]
    assert 0 < serving["latency_p50_ms"] <= serving["latency_p99_ms"]
    assert serving["timed_requests"] > 0
    archive = engineered_run.archive / "model.tar.gz"
    assert serving["archive_bytes"] == archive.stat().st_size


def test_metrics_are_those_of_scikit_learn(engineered_run: Run) -> None:
    done = run_cold("-c", REFERENCE, engineered_run.evaluation / "predictions.csv")
    values, spreads = json.loads(done.stdout)
    metrics = engineered_run.report()["regression_metrics"]
    assert list(metrics) == ["mse", "rmse", "mae", "r2_score"]
    assert [metric["value"] for metric in metrics.values()] == pytest.approx(values, rel=1e-9)
    # Two bootstraps of 1,000 and 400 samples agree to some 4 % (one standard error).
    ours = [metric["standard_deviation"] for metric in metrics.values()]
    assert ours == pytest.approx(spreads, rel=0.2)


def test_predictions_pair_each_test_row_with_its_target(engineered_run: Run) -> None:
    with (engineered_run.evaluation / "predictions.csv").open(newline="") as lines:
        header, *pairs = csv.reader(lines)
    with (engineered_run.preprocessed / "test" / "test.csv").open(newline="") as lines:
        targets = [row["MedHouseVal"] for row in csv.DictReader(lines)]
    assert header == ["actual", "predicted"]
    assert [float(actual) for actual, _ in pairs] == [float(target) for target in targets]
    assert all(repr(float(text)) == text for pair in pairs for text in pair)


def test_rows_keep_their_precision_on_the_way_to_the_model(engineered_run: Run) -> None:
    test = engineered_run.preprocessed / "test" / "test.csv"
    predictions = engineered_run.evaluation / "predictions.csv"
    model = engineered_run.model / "model.joblib"
    done = run_cold("-c", STRAIGHT, model, test, predictions)
    assert done.code == 0, done.stderr


def test_same_input_gives_the_same_bytes_but_for_the_times(
    engineered_run: Run, tmp_path: Path
) -> None:
    done = run_cold(
        SCRIPTS / "evaluate.py",
        *("--model", engineered_run.archive, "--test", engineered_run.preprocessed / "test"),
        *("--output", tmp_path / "output", "--message", tmp_path / "message"),
        PYTHONHASHSEED="7",
        OPENBLAS_NUM_THREADS="1",
    )
    assert done.code == 0, done.stderr
    found = without_times(files_below(tmp_path / "output"))
    assert found == without_times(files_below(engineered_run.evaluation))


def test_bootstrap_follows_its_seed(evaluation: Evaluation) -> None:
    reports = []
    for seed in (1, 1, 2):
        assert evaluation.run("--seed", seed).code == 0
        reports.append(without_times(files_below(evaluation.output)))
    assert reports[0] == reports[1]
    assert reports[0]["predictions.csv"] == reports[2]["predictions.csv"]
    assert reports[0]["evaluation.json"] != reports[2]["evaluation.json"]


def test_draws_of_equal_targets_have_no_part_in_the_deviation_of_r2(
    evaluation: Evaluation,
) -> None:
    lines = evaluation.test_lines()
    deviations = {}
    for rows in (2, 3):
        evaluation.write_test(lines[: rows + 1])
        assert evaluation.run("--bootstrap-samples", 1_000).code == 0
        report = evaluation.report()
        assert report["rows"]["test"] == rows
        deviations[rows] = report["regression_metrics"]["r2_score"]["standard_deviation"]
    # Of two rows only the draws of both count, and these all have the same r2.
    assert deviations[2] == pytest.approx(0, abs=1e-9)
    assert 0 < deviations[3] < 1_000


def test_missing_features_are_scored_too(evaluation: Evaluation) -> None:
    lines = evaluation.test_lines()
    lines[1] = "," + lines[1].partition(",")[2]
    evaluation.write_test(lines)
    assert evaluation.run().code == 0
    assert len((evaluation.output / "predictions.csv").read_text().splitlines()) == 4100


def test_archive_must_be_there_and_whole(evaluation: Evaluation) -> None:
    evaluation.archive.mkdir()
    archive = evaluation.archive / "model.tar.gz"
    assert evaluation.refusal().endswith(
        "model.tar.gz: there is no such file; did the training job succeed?"
    )
    archive.write_bytes(b"no archive")
    assert "model.tar.gz: it cannot be unpacked" in evaluation.refusal()
    pack(evaluation.model, evaluation.archive / "whole")
    whole = (evaluation.archive / "whole" / "model.tar.gz").read_bytes()
    archive.write_bytes(whole[: len(whole) // 2])
    assert "model.tar.gz: it cannot be unpacked" in evaluation.refusal()
    archive.write_bytes(whole[:50] + bytes(byte ^ 255 for byte in whole[50:90]) + whole[90:])
    assert "model.tar.gz: it cannot be unpacked" in evaluation.refusal()


def test_archive_cannot_write_outside_its_folder(evaluation: Evaluation) -> None:
    evaluation.archive.mkdir()
    with tarfile.open(evaluation.archive / "model.tar.gz", "w:gz") as tar:
        member = tarfile.TarInfo("../../escaped")
        member.size = 4
        tar.addfile(member, io.BytesIO(b"evil"))
    assert "model.tar.gz: it cannot be unpacked: '../../escaped' would be" in evaluation.refusal()


@pytest.mark.parametrize("name", ["model.joblib", "code/entry_point.py", "preprocessing.json"])
def test_archive_must_hold_what_training_writes(name: str, evaluation: Evaluation) -> None:
    (evaluation.model / name).unlink()
    assert evaluation.refusal().endswith(f"it lacks {name}; train.py writes these")


def test_entry_point_of_the_archive_is_the_one_that_runs(evaluation: Evaluation) -> None:
    entry_point = evaluation.model / "code" / "entry_point.py"
    source = entry_point.read_text()
    entry_point.write_text(source + "\n\ndef predict_fn(rows, model):\n    return rows[:, 0]\n")
    assert evaluation.run().code == 0
    with (evaluation.output / "predictions.csv").open(newline="") as lines:
        predicted = [row["predicted"] for row in csv.DictReader(lines)]
    assert predicted == [line.split(",")[0] for line in evaluation.test_lines()[1:]]
    shutil.rmtree(evaluation.archive)
    shutil.rmtree(evaluation.output)
    entry_point.write_text(source.replace("def model_fn", "def load"))
    assert evaluation.refusal() == "code/entry_point.py: it has no model_fn"


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (
            "np.where(np.arange(len(rows)) < 3, 1.0, np.nan)",
            "test.csv: line 5: the model predicts nan, and no number for 4096 rows in all",
        ),
        ("np.zeros((len(rows), 2))", "the model gives an array of (4099, 2) for 4099 rows"),
        ("np.full(len(rows), 'high')", "the model does not predict numbers: could not convert"),
        ("np.full(len(rows), 1e200)", "test.csv: mse is inf (± "),
    ],
)
def test_predictions_must_be_finite_numbers(
    expression: str, expected: str, evaluation: Evaluation
) -> None:
    with (evaluation.model / "code" / "entry_point.py").open("a") as entry_point:
        entry_point.write(f"\n\ndef predict_fn(rows, model):\n    return {expression}\n")
    assert evaluation.refusal().startswith(expected)


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        pytest.param(lambda lines: lines[:1], "it has 0 test rows; r2 needs two", id="no row"),
        pytest.param(
            lambda lines: [lines[0], *(line.rpartition(",")[0] + ",2.0" for line in lines[1:])],
            "it has 4099 test rows; r2 needs two or more, with finite and different values",
            id="constant target",
        ),
        pytest.param(
            lambda lines: [line.rpartition(",")[0] for line in lines],
            "line 1, the header, lacks MedHouseVal",
            id="no target",
        ),
        pytest.param(
            lambda lines: [*lines[:2], lines[2].rpartition(",")[0] + ",much", *lines[3:]],
            "line 3, column MedHouseVal: 'much' is no number",
            id="text as target",
        ),
        pytest.param(
            lambda lines: [*lines[:2], lines[2] + ",1", *lines[3:]],
            "line 3 has more or fewer fields than the header",
            id="ragged",
        ),
        pytest.param(
            lambda lines: [*lines[:2], "much," + lines[2].partition(",")[2], *lines[3:]],
            "the endpoint refuses the rows (header apart): line 2, column MedInc: 'much' is not",
            id="text as feature",
        ),
    ],
)
def test_bad_test_split_is_refused(
    spoil: Callable[[list[str]], list[str]], expected: str, evaluation: Evaluation
) -> None:
    evaluation.write_test(spoil(evaluation.test_lines()))
    assert expected in evaluation.refusal()


def test_report_repeats_what_preprocessing_warned_of(evaluation: Evaluation) -> None:
    """And has no such member where there was nothing."""
    path = evaluation.model / "preprocessing.json"
    record = json.loads(path.read_text())
    assert "warnings" not in record
    path.write_text(json.dumps(record | {"warnings": ["b.csv is the same file as a.csv"]}))
    assert evaluation.run().code == 0
    report = json.loads((evaluation.output / "evaluation.json").read_text())
    assert report.pop("warnings") == ["b.csv is the same file as a.csv"]
    assert report["rows"]["test"] == 4099


def test_report_without_warnings_has_no_such_member(engineered_run: Run) -> None:
    assert "warnings" not in engineered_run.report()


def test_test_split_must_be_there(evaluation: Evaluation) -> None:
    (evaluation.test / "test.csv").unlink()
    assert "test.csv: there is no such file" in evaluation.refusal()


def test_bad_argument_is_refused(evaluation: Evaluation) -> None:
    assert "--bootstrap-samples is 1" in evaluation.refusal("--bootstrap-samples", 1)
    assert "unrecognized arguments: --bootstrap 5" in evaluation.refusal("--bootstrap", 5)


def test_gzip_of_something_else_is_refused(evaluation: Evaluation) -> None:
    evaluation.archive.mkdir()
    (evaluation.archive / "model.tar.gz").write_bytes(gzip.compress(b"text" * 500))
    assert "model.tar.gz: it cannot be unpacked" in evaluation.refusal()
