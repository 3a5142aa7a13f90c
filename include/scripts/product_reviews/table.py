"""What a review is: a text and its writer's stars; and the sentiment that stars mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from kit.table import Column, Table

if TYPE_CHECKING:
    import pandas as pd

TEXT, RATING = "review_text", "rating"
TABLE = Table((Column(TEXT, text=True), Column(RATING, 1, 5, whole=True)), target=RATING)
# By its place among them the network knows a sentiment: 1 and 2 stars are negative, 3 neither.
SENTIMENTS = (-1, 0, 1)


def sentiments(ratings: pd.Series) -> np.ndarray:
    """Give the sentiment of each rating: -1, 0 or 1, int64."""
    return np.sign(ratings.to_numpy() - 3).astype(np.int64)
