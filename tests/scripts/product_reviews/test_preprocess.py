from __future__ import annotations

import json
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.scripts.jobs import files_below
from tests.scripts.product_reviews.made_up import reviews

if TYPE_CHECKING:
    from tests.scripts.product_reviews.conftest import Reviews

SPLITS = ("train", "validation", "test")


def test_each_review_is_in_one_split_with_its_sentiment_and_its_tokens(split: Reviews) -> None:
    rows = [row for name in SPLITS for row in split.split(name)]
    stars = dict(reviews(120))
    assert {row["text"] for row in rows} == set(stars)
    assert len(rows) == 120
    for row in rows:
        assert row["sentiment"] == (stars[row["text"]] > 3) - (stars[row["text"]] < 3)
        assert row["tokens"][0] == 2
        assert len(row["tokens"]) <= 24
    record = split.record()
    assert record["rows"] == {
        "read": 120, "dropped": 0, "train": 98, "validation": 6, "test": 16
    }  # fmt: skip
    assert sum(record["sentiments"]["train"].values()) == 98


def test_the_same_snapshot_makes_the_same_bytes(split: Reviews) -> None:
    first = files_below(split.splits)
    report = json.loads(first["data/data_report.json"])
    assert report["rows"] == 120
    assert set(report["columns"]["review_text"]) == {"kind", "nulls", "length"}
    shutil.rmtree(split.splits)
    assert split.preprocess().code == 0
    assert files_below(split.splits) == first


def test_a_text_that_comes_again_is_in_no_second_split(landed: Reviews) -> None:
    rows = reviews(60)
    again = [(f" {text.upper()}  ".replace(" IS ", "   is "), 1) for text, _ in rows]
    landed.land([*rows, *again, ("", 3), ('"   "', 2)])
    done = landed.preprocess()
    assert done.code == 0, done.stderr
    texts = [row["text"] for name in SPLITS for row in landed.split(name)]
    assert sorted(texts) == sorted([*dict(rows), '" "'])
    assert "61 reviews without a text of their own are left out" in done.stdout


def test_balance_draws_as_many_of_each_sentiment_for_training_alone(landed: Reviews) -> None:
    assert landed.preprocess().code == 0
    uneven = landed.record()["sentiments"]
    shutil.rmtree(landed.splits)
    assert landed.preprocess("--balance", "true").code == 0
    even = landed.record()["sentiments"]
    assert set(even["train"].values()) == {min(uneven["train"].values())}
    assert (even["validation"], even["test"]) == (uneven["validation"], uneven["test"])


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (
            ("a text", 6),
            "reviews.csv: line 5, column rating: 6.0 is impossible; a whole number, 1 to",
        ),
        (("a text", 2.5), "reviews.csv: line 5, column rating: 2.5 is impossible"),
        (("a text", "good"), "reviews.csv: line 5, column rating: 'good' is not a number"),
        (("two\nlines", 5), "reviews.csv: line 5 has a broken quotation"),
        (("a text",), "reviews.csv: line 5 has 1 fields, the header has 2"),
    ],
)
def test_a_bad_row_is_told_with_file_line_and_column(
    landed: Reviews, row: tuple[Any, ...], told: str
) -> None:
    landed.land([*reviews(3), row, *reviews(30, seed=4)])  # type: ignore[list-item]
    done = landed.preprocess()
    assert done.code == 1
    assert told in landed.message()
    assert not files_below(landed.splits) if landed.splits.exists() else True


@pytest.mark.parametrize(
    ("spoil", "options", "told"),
    [
        (lambda folder: (folder / "config.json").unlink(), (), "there is no such file"),
        (lambda folder: (folder / "config.json").write_text("{"), (), "config.json: "),
        (
            lambda folder: (folder / "config.json").write_text(json.dumps({"model_type": "gpt2"})),
            (), "not of a BERT",
        ),
        (
            lambda folder: [(folder / n).unlink() for n in ("tokenizer.json", "vocab.txt")],
            (), "it has neither of tokenizer.json, vocab.txt",
        ),
        (
            lambda folder: (folder / "config.json").write_text(
                json.dumps({"model_type": "bert", "vocab_size": 10})
            ),
            (), "tokens, config.json 10",
        ),
        (
            lambda folder: (folder / "tokenizer.json").write_text("{"),
            (), "its tokenizer cannot be used: ",
        ),
        (
            lambda folder: [(folder / "tokenizer.json").unlink(),
                            (folder / "vocab.txt").write_text("the")],
            (), "Missing [UNK] token",
        ),
        (lambda _: None, ("--max-sequence-length", 41), "this BERT reads at most 40 tokens"),
    ],
)  # fmt: skip
def test_a_pretrained_model_that_is_none_is_told(
    landed: Reviews, spoil: Any, options: tuple[object, ...], told: str
) -> None:
    folder = shutil.copytree(landed.pretrained, landed.folder / "spoilt")
    spoil(folder)
    done = replace(landed, pretrained=folder).preprocess(*options)
    assert done.code == 1, done.stdout
    assert told in landed.message()
