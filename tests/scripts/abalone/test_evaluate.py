"""The evaluation in XGBoost's image, of a model as its built-in algorithm writes it."""

from __future__ import annotations

import csv
import io
import json
import pickle
import shutil
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.scripts.abalone.conftest import IMAGES, SAMPLE_DATA, Abalone
from tests.scripts.jobs import files_below, pack, run_cold, without_times

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.scripts.jobs import Outcome

IMAGE = IMAGES["3.0-5"]
# As the image's server does: text to float64, to a matrix, to predictions.
SERVED = """
import json, sys, numpy as np, xgboost
booster = xgboost.Booster(model_file=sys.argv[1])
answers = []
for request in json.load(open(sys.argv[2]))["requests"]:
    row = np.array([float(field) for field in request["body"].split(",")])
    (answer,) = booster.predict(xgboost.DMatrix(row.reshape(1, -1)), validate_features=False)
    answers.append(str(answer))
print(json.dumps(answers))
"""


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, run_warm: Callable[..., Outcome]) -> Abalone:
    """A run of the real table, with a model of the newer image; not to be spoiled."""
    folder = tmp_path_factory.mktemp("abalone")
    (folder / "snapshot").mkdir()
    (folder / "snapshot" / "abalone.csv").symlink_to(SAMPLE_DATA)
    run = Abalone(folder, run_warm)
    assert run.preprocess().code == 0
    run.train(IMAGE)
    outcome = run.evaluate(IMAGE)
    assert outcome.code == 0, outcome.stderr
    return run


@pytest.fixture
def copy(trained: Abalone, tmp_path: Path) -> Abalone:
    """A copy of it, to be spoiled."""
    for name in ("splits", "model", "archive"):
        shutil.copytree(trained.folder / name, tmp_path / name)
    return Abalone(tmp_path, trained.run_warm)


def report(run: Abalone) -> dict[str, Any]:
    return json.loads((run.output / "evaluation.json").read_text())


def test_report_has_mse_with_its_deviation_and_the_rows(trained: Abalone) -> None:
    found = report(trained)
    metrics = found["regression_metrics"]
    assert list(metrics) == ["mse", "rmse", "mae", "r2_score"]
    assert 4 < metrics["mse"]["value"] < 6
    assert 0 < metrics["mse"]["standard_deviation"] < 1
    assert metrics["rmse"]["value"] ** 2 == pytest.approx(metrics["mse"]["value"])
    assert found["rows"] == {"snapshot": 4177, "train": 2952, "validation": 594, "test": 631}
    assert found["split_seed"] == 42
    assert found["snapshot_fingerprint"] == trained.record()["fingerprint"]
    assert found["bootstrap"] == {"samples": 1000, "seed": 42}
    serving = found["serving_metrics"]
    assert 0 < serving["latency_p50_ms"] <= serving["latency_p99_ms"]
    assert 0 < serving["timed_requests"] <= 200
    archive = trained.folder / "archive" / "model.tar.gz"
    assert serving["archive_bytes"] == archive.stat().st_size


def test_predictions_pair_each_test_row_with_its_rings(trained: Abalone) -> None:
    header, *pairs = csv.reader((trained.output / "predictions.csv").read_text().splitlines())
    assert header == ["actual", "predicted"]
    assert [actual for actual, _ in pairs] == [row[0] for row in trained.rows_of("test")]
    errors = [(float(actual) - float(predicted)) ** 2 for actual, predicted in pairs]
    mse = report(trained)["regression_metrics"]["mse"]["value"]
    assert sum(errors) / len(errors) == pytest.approx(mse)


def test_smoke_json_is_what_a_server_answers(trained: Abalone) -> None:
    smoke = json.loads((trained.output / "smoke.json").read_text())
    assert (smoke["content_type"], smoke["accept"]) == ("text/csv", "text/csv")
    bodies = [request["body"].split(",") for request in smoke["requests"]]
    assert bodies == [row[1:] for row in trained.rows_of("test")]
    model, path = trained.folder / "model" / "xgboost-model", trained.output / "smoke.json"
    done = run_cold("-c", SERVED, model, path, image=IMAGE)
    answers = [float(text) for text in json.loads(done.stdout)]
    expected = [request["expected"] for request in smoke["requests"]]
    assert answers == pytest.approx(expected, rel=1e-6)


def test_same_input_gives_the_same_bytes_but_for_the_times(trained: Abalone, copy: Abalone) -> None:
    assert copy.evaluate(IMAGE).code == 0
    assert without_times(files_below(copy.output)) == without_times(files_below(trained.output))


def test_older_image_reads_its_own_model(copy: Abalone) -> None:
    image = IMAGES["1.7-1"]
    if not (image / "python").exists():
        pytest.skip("the environment of xgboost-1.7-1 is not made")
    shutil.rmtree(copy.folder / "archive")
    copy.train(image)
    outcome = copy.evaluate(image)
    assert outcome.code == 0, outcome.stderr
    assert 4 < report(copy)["regression_metrics"]["mse"]["value"] < 6


def test_rounds_after_the_best_one_do_not_count(trained: Abalone, copy: Abalone) -> None:
    """Early stopping notes the best round in the model, and the image's server goes by it."""
    shutil.rmtree(copy.folder / "archive")
    copy.train(IMAGE, "best_iteration=0", "best_score=9")
    assert copy.evaluate(IMAGE).code == 0
    stopped, full = (report(run)["regression_metrics"]["mse"]["value"] for run in (copy, trained))
    assert stopped > full + 1


def test_pickle_is_never_loaded(copy: Abalone) -> None:
    marker = copy.folder / "escaped"

    class Evil:
        def __reduce__(self) -> tuple[Any, tuple[Any]]:
            return Path.touch, (marker,)

    (copy.folder / "model" / "xgboost-model").write_bytes(pickle.dumps(Evil()))
    assert refusal(copy).startswith("xgboost-model: XGBoost 3.0.5 cannot load it: ")
    assert not marker.exists()


@pytest.mark.parametrize("content", [b"", b"{}", b"text", b"\0" * 500, b'{"learner": 1}'])
def test_what_is_no_model_is_refused(content: bytes, copy: Abalone) -> None:
    (copy.folder / "model" / "xgboost-model").write_bytes(content)
    message = refusal(copy)
    assert message.startswith("xgboost-model: XGBoost 3.0.5 cannot load it: ")
    assert "\n" not in message
    assert "[bt]" not in message


def test_model_of_other_features_is_refused(copy: Abalone) -> None:
    train = copy.splits / "train" / "train.csv"
    rows = train.read_text().split()
    train.write_text("".join(row.rpartition(",")[0] + "\n" for row in rows))
    shutil.rmtree(copy.folder / "archive")
    copy.train(IMAGE)
    assert copy.evaluate(IMAGE).code == 1
    assert copy.message() == "xgboost-model: it was trained on 9 features, test.csv has 10"


def test_archive_must_hold_the_model(copy: Abalone) -> None:
    (copy.folder / "model" / "xgboost-model").rename(copy.folder / "model" / "model.joblib")
    assert refusal(copy).endswith("it lacks xgboost-model; XGBoost's image writes these")


def test_archive_cannot_write_outside_its_folder(copy: Abalone) -> None:
    with tarfile.open(copy.folder / "archive" / "model.tar.gz", "w:gz") as tar:
        member = tarfile.TarInfo("../../escaped")
        member.size = 4
        tar.addfile(member, io.BytesIO(b"evil"))
    assert copy.evaluate(IMAGE).code == 1
    assert "it cannot be unpacked: '../../escaped' would be outside" in copy.message()


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        pytest.param(lambda _: [], "test.csv: it is empty", id="no row"),
        pytest.param(
            lambda lines: [lines[0], lines[1].replace(",", ",much,", 1).rpartition(",")[0]],
            "test.csv: line 2, column length: 'much' is not a number",
            id="text",
        ),
        pytest.param(
            lambda lines: [lines[0], lines[1].partition(",")[2]],
            "test.csv: line 2 has 10 fields, a row has 11: rings,length,",
            id="no label",
        ),
        pytest.param(
            lambda lines: ["7" + line[line.index(",") :] for line in lines],
            "test.csv: it has 631 test rows; r2 needs two or more, with finite and different",
            id="constant label",
        ),
        pytest.param(
            lambda lines: lines[:1],
            "test.csv: it has 1 test rows; r2 needs two or more",
            id="one row",
        ),
    ],
)
def test_bad_test_split_is_refused(
    spoil: Callable[[list[str]], list[str]], expected: str, copy: Abalone
) -> None:
    path = copy.splits / "test" / "test.csv"
    path.write_text("".join(line + "\n" for line in spoil(path.read_text().split())))
    assert copy.evaluate(IMAGE).code == 1
    assert copy.message().startswith(expected)
    assert not copy.output.exists()


def test_record_of_preprocessing_must_be_there(copy: Abalone) -> None:
    shutil.rmtree(copy.splits / "preprocessor")
    assert copy.evaluate(IMAGE).code == 1
    assert copy.message().endswith(
        "preprocessor/preprocessing.json: there is no such file; preprocess.py writes it"
    )


def refusal(run: Abalone) -> str:
    """Pack the model anew, and see that it is refused."""
    shutil.rmtree(run.folder / "archive")
    pack(run.folder / "model", run.folder / "archive")
    outcome = run.evaluate(IMAGE)
    assert outcome.code == 1, outcome
    assert "Traceback" not in outcome.stderr
    assert not run.output.exists()
    return run.message()
