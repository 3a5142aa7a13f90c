"""Serving: AWS's own inference toolkit runs the archive's entry point."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest

from tests.scripts.jobs import run_cold

if TYPE_CHECKING:
    from tests.scripts.jobs import Run

COLUMNS = [
    "MedInc",
    "HouseAge",
    "AveRooms",
    "AveBedrms",
    "Population",
    "AveOccup",
    "Latitude",
    "Longitude",
]
ROW = "8.3252,41.0,6.98,1.02,322.0,2.55,37.88,-122.23"
SERVING_TOOLKIT = Path(__file__).parents[1] / "serving_toolkit.py"


def serve(
    run: Run,
    *bodies: str,
    content_type: str = "text/csv",
    accept: str = "text/csv",
    added: str = "",
) -> list[dict[str, Any]]:
    """Unpack the archive as a model server does, and serve from its code folder alone."""
    requests = [{"body": body, "content_type": content_type, "accept": accept} for body in bodies]
    with TemporaryDirectory() as model:
        shutil.unpack_archive(run.archive / "model.tar.gz", model)
        code = Path(model) / "code"
        with (code / "entry_point.py").open("a") as entry_point:
            entry_point.write(added)
        done = run_cold(
            *(SERVING_TOOLKIT, model),
            stdin=json.dumps(requests),
            PYTHONPATH=code,
            SAGEMAKER_PROGRAM="entry_point.py",
            SAGEMAKER_SUBMIT_DIRECTORY=code,
        )
    assert done.code == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("features", ["raw", "engineered"])
def test_endpoint_answers_what_evaluation_predicted(
    features: str, request: pytest.FixtureRequest
) -> None:
    run: Run = request.getfixturevalue(f"{features}_run")
    with (run.preprocessed / "test" / "test.csv").open(newline="") as lines:
        body = "\n".join(",".join(row[:8]) for row in list(csv.reader(lines))[1:])
    (answer,) = serve(run, body)
    assert (answer["status"], answer["type"]) == (200, "text/csv; charset=utf-8")
    with (run.evaluation / "predictions.csv").open(newline="") as lines:
        expected = [float(row["predicted"]) for row in csv.DictReader(lines)]
    answered = [float(line) for line in answer["body"].split()]
    assert max(abs(a - b) for a, b in zip(answered, expected, strict=True)) <= 1e-12


def test_missing_values_and_line_ends_are_accepted(engineered_run: Run) -> None:
    without_age = ROW.replace("41.0", "")
    bodies = [ROW, f"{ROW}\r\n{ROW}\r\n", without_age, ROW.replace("41.0", "nan")]
    one, two, empty, nan = (
        [float(line) for line in answer["body"].split()]
        for answer in serve(engineered_run, *bodies)
    )
    # The last digit depends on how many rows are multiplied at once.
    assert two == pytest.approx(one * 2, abs=1e-12)
    assert empty == nan
    assert abs(empty[0] - one[0]) > 1e-3


def test_csv_is_read_as_people_write_it(engineered_run: Run) -> None:
    """By the rules that a snapshot is read by."""
    cells = ROW.split(",")
    bodies = [
        ROW,
        "\ufeff" + ROW,
        ",".join(f'"{cell}"' for cell in cells),
        ", ".join(cells),
        ", ".join(f'"{cell}"' for cell in cells),
        " , ".join(cells) + "\n \n",
    ]
    answers = serve(engineered_run, *bodies)
    assert {answer["body"] for answer in answers} == {answers[0]["body"]}
    nulls = serve(engineered_run, *(ROW.replace("41.0", null) for null in ("", " ", "NA", "null")))
    assert {answer["status"] for answer in nulls} == {200}
    assert len({answer["body"] for answer in nulls}) == 1


def test_bad_requests_are_refused_with_the_reason(engineered_run: Run) -> None:
    cases = {
        "": "the request is empty",
        "1,2,3": "line 1 has 3 fields, a row has 8: MedInc,HouseAge,",
        f"{ROW}\n{ROW},1": "line 2 has 9 fields",
        ROW.replace(",", ";"): "line 1 is delimited by semicolons; use commas",
        ",".join(COLUMNS) + "\n" + ROW: "line 1 is a header; begin with the first row",
        f"{ROW}\n{ROW.replace('41.0', 'old')}": "line 2, column HouseAge: 'old' is not a number",
        ROW.replace("41.0", "1_000"): "line 1, column HouseAge: '1_000' is not a number",
        ROW.replace("41.0", "inf"): "line 1, column HouseAge: inf is not finite",
        f"{ROW}\n\n{ROW}": "line 2 is blank, and more lines follow",
        '{"rows": [[1, 2, 3, 4, 5, 6, 7, 8]]}': "line 1, column MedInc: '{",
        ROW.replace("37.88", "-137.88"): "line 1, column Latitude: -137.88 is impossible; 32 to",
        ROW.replace("41.0", "x" * 9_000): "line 1, column HouseAge: 'xxx",
        ROW.replace("41.0", '"41'): "line 1 has a broken quotation",
    }
    for answer, reason in zip(serve(engineered_run, *cases), cases.values(), strict=True):
        assert answer["status"] == 400
        line = answer["body"].partition("\n")[0]
        assert line.startswith(reason)
        assert "send text/csv: a line a row, without a header" in line
        assert ",".join(COLUMNS) in line
        assert len(line) < 1_024


def test_other_types_are_refused(engineered_run: Run) -> None:
    (answer,) = serve(engineered_run, "[[1]]", content_type="application/json")
    assert answer["status"] == 415
    assert answer["body"].startswith("the content type is 'application/json'; send text/csv")
    (answer,) = serve(engineered_run, ROW, accept="application/x-npy")
    assert answer["status"] == 406
    assert answer["body"].startswith("accepted is 'application/x-npy'; accept text/csv or")


def test_json_is_a_list(engineered_run: Run) -> None:
    (answer,) = serve(engineered_run, f"{ROW}\n{ROW}", accept="application/json")
    assert answer["type"] == "application/json"
    one, two = json.loads(answer["body"])
    assert one == two == pytest.approx(4.14, abs=0.01)


def test_models_own_failure_stays_one(engineered_run: Run) -> None:
    """A ValueError of the model's is no client's fault."""
    failing = "\npredict_fn = lambda rows, model: int('no number')\n"
    (answer,) = serve(engineered_run, ROW, added=failing)
    assert answer["status"] == 500


def test_content_type_may_name_its_charset(engineered_run: Run) -> None:
    plain, named = (
        serve(engineered_run, ROW, content_type=content_type)[0]
        for content_type in ("text/csv", "Text/CSV; charset=utf-8")
    )
    assert named["body"] == plain["body"]
