"""Training, as AWS's training toolkit runs it, and the model that it saves."""

from __future__ import annotations

import json
import re
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.scripts.jobs import SCRIPTS, files_below, run_cold, train_with_toolkit

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.scripts.jobs import Outcome, Run

# Run in an empty folder, isolated: no script of ours can be imported.
USE_MODEL = """
import sys, warnings, joblib, numpy as np, pandas as pd
warnings.simplefilter("error")
model = joblib.load(sys.argv[1])
rows = pd.read_csv(sys.argv[2]).iloc[:200, :8]
rows.iloc[::7, 3] = np.nan
rows.iloc[5, :] = np.nan
by_name = model.predict(rows)
assert np.isfinite(by_name).all()
np.testing.assert_array_equal(model.predict(rows.to_numpy()), by_name)
np.testing.assert_array_equal(model.predict(rows[rows.columns[::-1]]), by_name)
single = np.concatenate([model.predict(row[None]) for row in rows.to_numpy()])
np.testing.assert_allclose(single, by_name, rtol=0, atol=1e-12)
own = [name for name in sys.modules if name in ("features", "table", "train", "kit")]
assert not own, own
print("good")
"""
IMPUTED = """
import sys, joblib, numpy as np, pandas as pd
model = joblib.load(sys.argv[1])
train = pd.read_csv(sys.argv[2]).iloc[:, :8]
row = train.to_numpy()[:1].copy()
for column in range(8):
    null, median = row.copy(), row.copy()
    null[0, column], median[0, column] = np.nan, np.median(train.to_numpy()[:, column])
    np.testing.assert_array_equal(model.predict(null), model.predict(median))
print("good")
"""


@pytest.fixture
def train(run_warm: Callable[..., Outcome], tmp_path: Path) -> Callable[..., Outcome]:
    """Runs train.py by itself; its output folder is ``output``, its model folder ``model``."""

    def run(channels: Path, *arguments: object, **environment: object) -> Outcome:
        folders = {
            "SM_CHANNEL_TRAIN": channels / "train",
            "SM_CHANNEL_PREPROCESSOR": channels / "preprocessor",
            "SM_MODEL_DIR": tmp_path / "model",
            "SM_OUTPUT_DIR": tmp_path / "output",
        }
        return run_warm("train.py", *arguments, **folders | environment)

    return run


@pytest.fixture
def channels(raw_run: Run, tmp_path: Path) -> Path:
    """A copy of preprocessing's outputs, to be spoiled."""
    return shutil.copytree(raw_run.preprocessed, tmp_path / "channels")


def test_toolkit_trains_and_saves_one_artefact(engineered_run: Run) -> None:
    files = files_below(engineered_run.model)
    kit = {f"kit/{name}.py" for name in ("__init__", "csv_table", "failure", "serving", "table")}
    code = {name for name in files if name.startswith("code/")}
    assert set(files) - code == {"model.joblib", "preprocessing.json"}
    assert code == {f"code/{name}" for name in ("entry_point.py", "table.py", *kit)}
    for name in code:
        assert files[name] == (SCRIPTS / name.removeprefix("code/")).read_bytes()
    preprocessed = files_below(engineered_run.preprocessed / "preprocessor")
    assert files["preprocessing.json"] == preprocessed["preprocessing.json"]


def test_log_has_metrics_that_a_metric_definition_finds(engineered_run: Run) -> None:
    log = (engineered_run.folder / "training.log").read_text()
    found = dict(re.findall(r"(train:\w+)=([0-9.]+);", log))
    assert found["train:rows"] == "16541"
    assert float(found["train:r2"]) == pytest.approx(0.7335, abs=1e-4)
    assert float(found["train:seconds"]) > 0


@pytest.mark.parametrize("features", ["raw", "engineered"])
def test_model_takes_raw_rows_and_needs_no_code_of_ours(
    features: str, request: pytest.FixtureRequest
) -> None:
    """Arrays, DataFrames in any column order, rows one by one, missing values: no warning."""
    run: Run = request.getfixturevalue(f"{features}_run")
    model, test = run.model / "model.joblib", run.preprocessed / "test" / "test.csv"
    done = run_cold("-I", "-c", USE_MODEL, model, test)
    assert done.stdout == "good\n", done.stderr


def test_missing_value_counts_as_the_train_median(raw_run: Run) -> None:
    train = raw_run.preprocessed / "train" / "train.csv"
    done = run_cold("-I", "-c", IMPUTED, raw_run.model / "model.joblib", train)
    assert done.stdout == "good\n", done.stderr


def test_same_input_gives_the_same_bytes(engineered_run: Run, tmp_path: Path) -> None:
    """In another process, on one thread where the first run had all cores at hand."""
    done = run_cold(
        SCRIPTS / "train.py",
        SM_CHANNEL_TRAIN=engineered_run.preprocessed / "train",
        SM_CHANNEL_PREPROCESSOR=engineered_run.preprocessed / "preprocessor",
        SM_MODEL_DIR=tmp_path / "model",
        SM_OUTPUT_DIR=tmp_path / "output",
        PYTHONHASHSEED="7",
        OPENBLAS_NUM_THREADS="1",
    )
    assert done.code == 0, done.stderr
    assert files_below(tmp_path / "model") == files_below(engineered_run.model)


def test_hyperparameters_reach_the_regression(
    channels: Path, train: Callable[..., Outcome], tmp_path: Path
) -> None:
    assert train(channels, "--fit-intercept", "False", "--positive", "true").code == 0
    done = run_cold(
        "-c",
        "import sys, joblib; m = joblib.load(sys.argv[1])[-1]; "
        "print(m.intercept_, (m.coef_ >= 0).all(), m.positive)",
        tmp_path / "model" / "model.joblib",
    )
    assert done.stdout == "0.0 True True\n"


def test_validation_split_is_scored_if_it_has_rows(
    channels: Path, train: Callable[..., Outcome]
) -> None:
    validation = channels / "validation"
    done = train(channels, SM_CHANNEL_VALIDATION=validation)
    assert done.code == 0
    assert "validation:" not in done.stdout
    shutil.copy(channels / "test" / "test.csv", validation / "validation.csv")
    done = train(channels, SM_CHANNEL_VALIDATION=validation)
    assert "validation:rows=4099;" in done.stdout
    assert "validation:r2=0.5868" in done.stdout


def test_toolkit_reports_what_train_reports(channels: Path, tmp_path: Path) -> None:
    """The toolkit leaves the failure file as the script wrote it."""
    done = train_with_toolkit(tmp_path / "job", channels, learning_rate="0.1")
    assert done.code != 0
    failure = (tmp_path / "job" / "output" / "failure").read_text()
    assert failure.startswith("train.py: unrecognized arguments: --learning-rate 0.1 (known ")
    assert "--fit-intercept, --positive" in failure
    assert files_below(tmp_path / "job" / "model") == {}


@pytest.mark.parametrize(
    ("arguments", "spoil", "expected"),
    [
        (
            ("--positive", "maybe"),
            lambda _: None,
            "train.py: argument --positive: 'maybe' is neither true nor false",
        ),
        (
            (),
            lambda folder: (folder / "train" / "train.csv").unlink(),
            "train.csv: there is no such file; is the channel's prefix right?",
        ),
        (
            (),
            lambda folder: (folder / "preprocessor" / "preprocessor.joblib").unlink(),
            "preprocessor.joblib: there is no such file; the preprocessor channel must be",
        ),
        (
            (),
            lambda folder: shutil.copy(
                folder / "validation" / "validation.csv", folder / "train" / "train.csv"
            ),
            "train.csv has 0 rows; it needs two",
        ),
        (
            (),
            lambda folder: (folder / "train" / "train.csv").write_text("MedInc;HouseAge\n1;2\n"),
            "train.csv: line 1, the header, is delimited by semicolons; use commas",
        ),
    ],
)
def test_bad_input_is_told_in_the_failure_file(
    arguments: tuple[str, ...],
    spoil: Callable[[Path], object],
    expected: str,
    channels: Path,
    train: Callable[..., Outcome],
    tmp_path: Path,
) -> None:
    spoil(channels)
    outcome = train(channels, *arguments)
    assert outcome.code == 1
    assert "Traceback" not in outcome.stderr
    message = (tmp_path / "output" / "failure").read_text()
    assert expected in message
    assert outcome.stderr == message + "\n"
    assert not (tmp_path / "model").exists()


def test_fault_of_the_program_keeps_its_traceback(
    channels: Path, train: Callable[..., Outcome], tmp_path: Path
) -> None:
    (channels / "preprocessor" / "preprocessor.joblib").write_bytes(b"no pickle")
    outcome = train(channels)
    assert outcome.code == 1
    assert "Traceback" in outcome.stderr
    assert "(the job's log has the traceback)" in (tmp_path / "output" / "failure").read_text()


def test_record_of_preprocessing_travels_unchanged(
    channels: Path, train: Callable[..., Outcome], tmp_path: Path
) -> None:
    record = json.dumps({"anything": 1}).encode()
    (channels / "preprocessor" / "preprocessing.json").write_bytes(record)
    assert train(channels).code == 0
    assert (tmp_path / "model" / "preprocessing.json").read_bytes() == record
