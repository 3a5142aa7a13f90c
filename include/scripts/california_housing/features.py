"""The two feature sets: raw rows in, standardised model inputs out.

Only scikit-learn's own classes and numpy's functions are used, so the fitted preprocessor
unpickles wherever those two are installed. What it was fitted on is the train split alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, PolynomialFeatures, StandardScaler

if TYPE_CHECKING:
    import pandas as pd

FEATURE_SETS = ("raw", "engineered")


def fit_preprocessor(feature_set: str, rows: pd.DataFrame) -> Pipeline:
    """Fit a feature set on the train split.

    Args:
        feature_set: ``raw`` (impute, standardise) or ``engineered`` (clip each column to its
            1st to 99th percentile, impute, add all squares and pairwise products, standardise).
        rows: The train split's feature columns, nulls included.

    Returns:
        A pipeline whose ``transform`` takes a DataFrame (columns found by name) or an array
        (columns in the order of ``rows``), nulls included, and gives 8 or 44 columns.
    """
    steps = [
        # Fitted on names, it puts a DataFrame's columns in order; an array passes as it is.
        ("order", ColumnTransformer([("columns", "passthrough", list(range(rows.shape[1])))])),
        ("impute", SimpleImputer(strategy="median", keep_empty_features=True)),
        ("standardise", StandardScaler()),
    ]
    if feature_set == "engineered":
        low, high = np.nanpercentile(rows.to_numpy(), (1, 99), axis=0)
        clip = FunctionTransformer(np.clip, kw_args={"a_min": low, "a_max": high})
        steps.insert(1, ("clip", clip))
        steps += [
            ("products", PolynomialFeatures(degree=2, include_bias=False)),
            ("standardise_products", StandardScaler()),
        ]
    return Pipeline(steps).fit(rows)
