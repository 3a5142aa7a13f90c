from __future__ import annotations

from typing import Any

import pytest
from retraining import naming
from retraining.deployment import smoke
from retraining.deployment.smoke import SmokeRowsError

BUCKET = "smoke-rows"
TEST = "a,target,b\n1,10,2\n3,30,\n5,50,6\n"
PREDICTIONS = "actual,predicted\n10.0,11.5\n30.0,31.25\n50.0,1e-3\n"


@pytest.fixture(scope="module")
def s3(embedded_sagemaker: Any) -> Any:
    client = embedded_sagemaker.client("s3")
    client.create_bucket(Bucket=BUCKET)
    return client


def report(
    s3: Any, name: str, *, test: str | None = TEST, predictions: str | None = PREDICTIONS
) -> str:
    run = naming.run_uri(BUCKET, "p", "2026-11-20", name)
    for uri, text in ((naming.held_out_uri(run), test), (naming.predictions_uri(run), predictions)):
        if text is not None:
            bucket, key = naming.split_s3_uri(uri)
            s3.put_object(Bucket=bucket, Key=key, Body=text.encode())
    return naming.report_uri(run)


def test_the_first_rows_go_without_header_and_target(s3: Any) -> None:
    rows = smoke.read(s3, report(s3, "good"), target="target", rows=2)
    assert rows.payload == "1,2\n3,\n"
    assert rows.predicted == (11.5, 31.25)


def test_a_split_with_fewer_rows_than_wanted_is_sent_whole(s3: Any) -> None:
    rows = smoke.read(s3, report(s3, "short"), target="target", rows=20)
    assert rows.predicted == (11.5, 31.25, 1e-3)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"test": None}, r"nothing at s3://.*test\.csv"),
        ({"predictions": None}, r"nothing at s3://.*predictions\.csv"),
        ({"predictions": "actual,predicted\n10,1\n"}, "as many"),
        ({"test": "a,target\n", "predictions": "actual,predicted\n"}, "a row at least"),
        ({"test": TEST.replace("target", "goal")}, "no column 'target'"),
        ({"predictions": PREDICTIONS.replace("predicted", "guessed")}, "'predicted'"),
        ({"predictions": PREDICTIONS.replace("11.5", "x")}, "'predicted' of numbers"),
        ({"predictions": PREDICTIONS.replace("30.0", "31.0")}, "line 3 .* is not about line 3"),
        ({"test": TEST.replace("30", "many")}, "many"),
    ],
)
def test_files_that_cannot_be_compared_are_named(
    s3: Any, files: dict[str, Any], words: str
) -> None:
    with pytest.raises(SmokeRowsError, match=words):
        smoke.read(s3, report(s3, words[:20], **files), target="target", rows=3)


def test_a_version_without_a_run_is_told(s3: Any) -> None:
    with pytest.raises(SmokeRowsError, match="which run"):
        smoke.read(s3, "", target="target", rows=3)


@pytest.mark.parametrize("answer", ["1.0\n2.0\n", "1.0,2.0", "1\n2", "1.0000001\n2"])
def test_the_right_numbers_differ_in_nothing(answer: str) -> None:
    assert smoke.difference(answer, (1.0, 2.0), tolerance=1e-6) is None


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("1.0", "2 rows with 1 numbers"),
        ("1\n2\n3", "with 3 numbers"),
        ("", "with 0 numbers"),
        ("1\n2.00001", "row 2"),
        ("1\nnan", "row 2"),
        ("inf\n2", "row 1"),
        ("[1, 2]", "not answer with numbers"),
    ],
)
def test_wrong_answers_are_told_apart(answer: str, words: str) -> None:
    assert words in str(smoke.difference(answer, (1.0, 2.0), tolerance=1e-6))
