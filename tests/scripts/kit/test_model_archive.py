"""What the kit says that an endpoint answers, beside what AWS's toolkit makes it answer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.scripts.jobs import KIT, ROOT, run_cold

if TYPE_CHECKING:
    from pathlib import Path

ANSWERS = """
import json, sys
from pathlib import Path
from kit.model_archive import answers
content_type, accept = sys.argv[2:]
bodies = json.load(sys.stdin)
print(json.dumps(answers(Path(sys.argv[1]), bodies, content_type=content_type, accept=accept)))
"""
ENTRY_POINT = """
import json, numpy as np
from neighbour import factor
def model_fn(folder):
    return factor
def input_fn(body, content_type):
    return np.array(json.loads(body) if content_type == "application/json" else body.split(","))
def predict_fn(rows, model):
    return {predict}
"""


def both(
    folder: Path, predict: str, body: str, *, content_type: str, accept: str, output: str = ""
) -> tuple[Any, str]:
    """Give the kit's answer, decoded, and the toolkit's, as it is."""
    code = folder / "code"
    code.mkdir()
    (code / "neighbour.py").write_text("factor = 2")
    (code / "entry_point.py").write_text(ENTRY_POINT.replace("{predict}", predict) + output)
    ours = run_cold(
        *("-c", ANSWERS, folder, content_type, accept),
        stdin=json.dumps([body]),
        PYTHONPATH=KIT.parent,
    )
    assert ours.code == 0, ours.stderr
    theirs = run_cold(
        *(ROOT / "tests/scripts/serving_toolkit.py", folder),
        stdin=json.dumps([{"body": body, "content_type": content_type, "accept": accept}]),
        PYTHONPATH=code,
        SAGEMAKER_PROGRAM="entry_point.py",
        SAGEMAKER_SUBMIT_DIRECTORY=code,
    )
    assert theirs.code == 0, theirs.stderr
    (answer,) = json.loads(theirs.stdout)
    assert answer["status"] == 200, answer
    return json.loads(ours.stdout)[0], answer["body"]


@pytest.mark.parametrize(
    "predict",
    [
        "rows * model",
        "float(rows.sum())",
        "np.array(['good'])",
        "{'label': 'good', 'shares': rows / 4}",
        "[{'label': 'good', 'share': 0.25}]",
    ],
)
def test_answer_in_json_is_the_toolkits(predict: str, tmp_path: Path) -> None:
    types = {"content_type": "application/json", "accept": "application/json"}
    ours, theirs = both(tmp_path, predict, "[1, 3]", **types)
    assert ours == json.loads(theirs)


@pytest.mark.parametrize(
    ("predict", "expected", "answered"),
    [
        ("np.array([0.5])", 0.5, "0.5\n"),
        ("np.array(['good'])", "good", "good\n"),
        ("np.array([[1.0, 2.0]])", [1.0, 2.0], "1.0,2.0\n"),
        ("[1.5, 2.5]", [1.5, 2.5], "1.5\n2.5\n"),
    ],
)
def test_answer_in_csv_is_one_field_or_a_list(
    predict: str, expected: Any, answered: str, tmp_path: Path
) -> None:
    types = {"content_type": "text/csv", "accept": "text/csv"}
    assert both(tmp_path, predict, "1,3", **types) == (expected, answered)


@pytest.mark.parametrize(
    ("output", "accept", "expected"),
    [
        ("return 'good,0.25\\n', accept", "text/csv", ["good", 0.25]),
        ("return b'7'", "text/csv", 7),
        ("return '007,1e-5,true,NaN'", "text/csv", ["007", 1e-5, "true", "NaN"]),
        ("return json.dumps({'label': 'good'}), accept", "application/json", {"label": "good"}),
    ],
)
def test_entry_points_own_encoding_is_decoded(
    output: str, accept: str, expected: Any, tmp_path: Path
) -> None:
    code = tmp_path / "code"
    code.mkdir()
    (code / "neighbour.py").write_text("factor = 2")
    source = ENTRY_POINT.replace("{predict}", "rows")
    (code / "entry_point.py").write_text(f"{source}\ndef output_fn(value, accept):\n    {output}\n")
    done = run_cold(
        *("-c", ANSWERS, tmp_path, "text/csv", accept),
        stdin=json.dumps(["1,2", "3,4"]),
        PYTHONPATH=KIT.parent,
    )
    assert done.code == 0, done.stderr
    assert json.loads(done.stdout) == [expected] * 2
