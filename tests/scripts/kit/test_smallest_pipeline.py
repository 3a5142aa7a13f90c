"""A pipeline with text labels and JSON answers, run as its jobs run."""

from __future__ import annotations

import csv
import json
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.scripts.jobs import ROOT, files_below, run_cold

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.scripts.kit.conftest import Reviews

JSON = "application/json"


@pytest.fixture
def trained(reviews: Reviews) -> Reviews:
    outcomes = [reviews.preprocess(), reviews.train()]
    assert [outcome.code for outcome in outcomes] == [0, 0], outcomes
    return reviews


def test_evaluation_is_told_in_three_files(trained: Reviews) -> None:
    outcome = trained.evaluate()
    assert outcome.code == 0, outcome.stderr
    report = trained.evaluation("evaluation.json")
    assert set(report) == {
        "binary_classification_metrics",
        "rows",
        "split_seed",
        "snapshot_fingerprint",
    }
    assert report["rows"] == {"snapshot": 120, "train": 91, "validation": 0, "test": 29}
    assert report["binary_classification_metrics"]["accuracy"]["value"] == 1.0
    assert "test:accuracy=1.000000; (± 0.000000)" in outcome.stdout
    text = files_below(trained.folder / "evaluation")["predictions.csv"].decode()
    header, *pairs = csv.reader(text.splitlines())
    assert header == ["actual", "predicted"]
    assert len(pairs) == 29
    assert all(actual == predicted for actual, predicted in pairs)


def test_serving_toolkit_answers_what_smoke_json_expects(trained: Reviews, tmp_path: Path) -> None:
    assert trained.evaluate().code == 0
    smoke = trained.evaluation("smoke.json")
    assert (smoke["content_type"], smoke["accept"]) == (JSON, JSON)
    asked = [
        {"body": request["body"], "content_type": JSON, "accept": JSON}
        for request in smoke["requests"]
    ]
    shutil.unpack_archive(trained.folder / "archive" / "model.tar.gz", tmp_path / "served")
    done = run_cold(
        *(ROOT / "tests/scripts/serving_toolkit.py", tmp_path / "served"),
        stdin=json.dumps(asked),
        PYTHONPATH=tmp_path / "served" / "code",
        SAGEMAKER_PROGRAM="entry_point.py",
        SAGEMAKER_SUBMIT_DIRECTORY=tmp_path / "served" / "code",
    )
    assert done.code == 0, done.stderr
    answered = [json.loads(answer["body"]) for answer in json.loads(done.stdout)]
    assert answered == [request["expected"] for request in smoke["requests"]]
    assert len(answered) == 29


def without(name: str) -> Callable[[str], str]:
    return lambda source: source.replace(f"def {name}(", f"def _{name}(")


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        pytest.param(
            without("input_fn"), "code/entry_point.py: it has no input_fn", id="no input_fn"
        ),
        pytest.param(
            lambda source: source.replace('"application/json"', '"text/plain"'),
            'test row 1: the endpoint refuses \'{"text": "',
            id="another content type",
        ),
        pytest.param(
            lambda source: source.replace("model.classes_[best]", "int(best)"),
            "the model predicts '0', '1', and the test split's labels are 'bad', 'good': no "
            "prediction can be right; are the labels spelt alike?",
            id="numbers for labels",
        ),
        pytest.param(
            lambda source: source.replace(
                "model.classes_[best]", "model.classes_[best] if 'dull' not in text else 'meh'"
            ),
            "'good' must be one of two labels; the actual and predicted ones are 'bad', 'good', "
            "'meh'",
            id="a third label",
        ),
    ],
)
def test_model_that_cannot_be_judged_is_refused(
    spoil: Callable[[str], str], expected: str, trained: Reviews
) -> None:
    entry_point = trained.folder / "model" / "code" / "entry_point.py"
    entry_point.write_text(spoil(entry_point.read_text()))
    trained.pack()
    assert trained.evaluate().code == 1
    assert trained.message().startswith(expected)
    assert not (trained.folder / "evaluation").exists()


def test_archive_without_an_entry_point_is_refused(trained: Reviews) -> None:
    shutil.rmtree(trained.folder / "model" / "code")
    trained.pack()
    assert trained.evaluate().code == 1
    assert trained.message() == "model.tar.gz: it lacks code/entry_point.py; train.py writes it"


def test_record_of_preprocessing_must_be_there(trained: Reviews) -> None:
    record = trained.folder / "splits" / "preprocessor" / "preprocessing.json"
    for content, expected in (
        ("{", "preprocessing.json: it is not JSON: "),
        ("[]", "preprocessing.json: it is no JSON object; preprocess.py writes one"),
    ):
        record.write_text(content)
        assert trained.evaluate().code == 1
        assert expected in trained.message()
    record.unlink()
    assert trained.evaluate().code == 1
    assert trained.message() == f"{record}: there is no such file; preprocess.py writes it"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["text,label", "it is fine,good", "it is so so,neutral", "dull,meh"],
         "a.csv: line 3, column label: 'neutral' is none of bad, good (the first of 2 such cells)"),
        (["text,label", "fine,good", ",good", "NA,bad", *["dull,bad"] * 7],
         "a.csv: line 3, column text: the first of 2 nulls in 10 rows; at most a share of 0.1 is"),
        (["text,label", *["fine,good"] * 12],
         "a.csv: line 2, column label: good, as are all 12 values; a constant target teaches"),
        (["text,label", '"fine,good', 'really",good'],
         "a.csv: line 2 has a broken quotation: unexpected end of data"),
        (["text,label", "good, really,good"],
         "a.csv: line 2 has 3 fields, the header has 2"),
        (["text,label", "fine,"],
         "a.csv: line 2, column label: null, as are all 1 values"),
        (["fine,good", "dull,bad"],
         "a.csv: line 1, the header, lacks column text\na.csv: line 1, the header, lacks column l"),
    ],
)  # fmt: skip
def test_bad_texts_are_refused(lines: list[str], expected: str, reviews: Reviews) -> None:
    reviews.write_snapshot("\n".join(lines))
    assert reviews.preprocess().code == 1
    assert reviews.message().startswith(expected)


def test_texts_keep_every_character(reviews: Reviews) -> None:
    texts = ["007", "1e5", " padded ", 'a "quote", a comma', "TRUE", "größer 😀", "#", "'"] * 2
    quoted = ['"' + text.replace('"', '""') + '"' for text in texts]
    lines = [f"{text},{label}" for text, label in zip(quoted, ["good", "bad"] * 8, strict=True)]
    reviews.write_snapshot("\n".join(["text,label", *lines]))
    outcome = reviews.preprocess("--train-share", 0.5, "--test-share", 0.5)
    assert outcome.code == 0, outcome.stderr
    files = files_below(reviews.folder / "splits")
    kept = [
        row["text"]
        for split in ("train", "test")
        for row in csv.DictReader(files[f"{split}/{split}.csv"].decode().splitlines())
    ]
    assert sorted(kept) == sorted(texts)


def test_a_text_may_be_long(reviews: Reviews) -> None:
    """Python's CSV reader stops at 128 KB, unless it is told otherwise."""
    long = "so " * 100_000
    words = (("lovely", "good"), ("dull", "bad"))
    rows = [f'"{i}, {word} {long}",{label}' for i in range(6) for word, label in words]
    reviews.write_snapshot("\n".join(["text,label", *rows]))
    for outcome in (reviews.preprocess(), reviews.train(), reviews.evaluate()):
        assert outcome.code == 0, outcome.stderr
