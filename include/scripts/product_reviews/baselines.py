"""What less would have reached: the most frequent sentiment, and a linear model of words."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyarrow import Table


def baselines(train: Table, test: Table) -> dict[str, dict[str, float]]:
    """Give the accuracy on the test split of what was learnt from the train split alone."""
    texts, wanted = train["text"].to_pylist(), train["sentiment"].to_pylist()
    actual = test["sentiment"].to_pylist()
    (most, _), *_ = Counter(wanted).most_common(1)
    words = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True),
        LogisticRegression(C=5, max_iter=1_000),
    )
    words.fit(texts, wanted)
    return {
        "majority_class": {"accuracy": _share([most] * len(actual), actual)},
        "tfidf_logistic_regression": {
            "accuracy": _share(words.predict(test["text"].to_pylist()).tolist(), actual)
        },
    }


def _share(predicted: Sequence[int], actual: Sequence[int]) -> float:
    return sum(p == a for p, a in zip(predicted, actual, strict=True)) / len(actual)
