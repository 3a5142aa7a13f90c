"""Made-up reviews, which a narrow BERT can learn in a moment."""

from __future__ import annotations

import csv
import io
import random

WORDS = {
    1: ("awful", "broken", "returned"), 2: ("poor", "cheap", "late"), 3: ("okay", "fair", "plain"),
    4: ("good", "soft", "quick"), 5: ("lovely", "perfect", "great"),
}  # fmt: skip
THINGS = ("dress", "shirt", "phone", "lamp", "colour", "price", "size", "box")
VOCABULARY = [word for words in WORDS.values() for word in words] + [*THINGS, "the", "is", "and"]


def reviews(rows: int, *, wrong: float = 0.0, seed: int = 3) -> list[tuple[str, int]]:
    """Return distinct texts with ratings, of which a share is another one than the text says."""
    chance = random.Random(seed)
    texts: dict[str, int] = {}
    while len(texts) < rows:
        stars = chance.randint(1, 5)
        one, two = chance.sample(THINGS, 2)
        first, second = chance.choice(WORDS[stars]), chance.choice(WORDS[stars])
        text = f"the {one} is {first} and the {two} is {second} and " + " ".join(
            chance.choices(THINGS, k=4)
        )
        texts[text] = chance.randint(1, 5) if chance.random() < wrong else stars
    return list(texts.items())


def as_csv(rows: list[tuple[object, object]]) -> str:
    """Return a snapshot's file."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([("review_text", "rating"), *rows])
    return text.getvalue()
