"""All of the Women's E-Commerce Clothing Reviews, where a variable says that they are here."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.scripts.product_reviews.conftest import Reviews

VARIABLE = "PRODUCT_REVIEWS_WHOLE"


@pytest.mark.skipif(
    VARIABLE not in os.environ,
    reason=f"${VARIABLE} names no file of them; docs/product-reviews.md says how to make it",
)
def test_no_text_of_the_whole_table_is_trained_on_and_tested_with(landed: Reviews) -> None:
    (landed.folder / "snapshot" / "reviews.csv").unlink()
    (landed.folder / "snapshot" / "whole.csv").symlink_to(os.environ[VARIABLE])
    done = landed.preprocess()
    assert done.code == 0, done.stderr
    rows = landed.record()["rows"]
    assert rows["read"] == 22_641
    splits = {
        name: {row["text"].casefold() for row in landed.split(name)}
        for name in ("train", "validation", "test")
    }
    assert {name: len(texts) for name, texts in splits.items()} == {
        name: rows[name] for name in splits
    }
    assert rows["dropped"] == 22_641 - len(set.union(*splits.values()))
