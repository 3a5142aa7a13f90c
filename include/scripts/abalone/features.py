"""Raw rows in, the numbers that XGBoost sees out.

Only scikit-learn's own classes are used, so the fitted preprocessor unpickles wherever that is
installed. What it was fitted on is the train split alone.
"""

from __future__ import annotations

import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from table import MEASURES, PREPARED, SEXES, TABLE


def fit_preprocessor(rows: pd.DataFrame) -> ColumnTransformer:
    """Fit medians, means and deviations on the train split.

    Args:
        rows: With the features by name, nulls included.

    Returns:
        A transformer of such rows: the measures imputed and standardised, then a column a sex, all
        of which are 0 where it is missing.
    """
    measures = make_pipeline(
        SimpleImputer(strategy="median", keep_empty_features=True),
        SimpleImputer(strategy="median", keep_empty_features=True, missing_values=0),
        StandardScaler(),
    )
    sexes = OneHotEncoder(categories=[list(SEXES)], handle_unknown="ignore", sparse_output=False)
    columns = [("measures", measures, MEASURES), ("sexes", sexes, ["sex"])]
    return ColumnTransformer(columns).fit(rows)


def prepare(preprocessor: ColumnTransformer, rows: pd.DataFrame) -> pd.DataFrame:
    """Give the columns of ``PREPARED`` for raw rows that have a target."""
    names = PREPARED.features
    prepared = pd.DataFrame(preprocessor.transform(rows) if len(rows) else [], columns=names)
    prepared.insert(0, PREPARED.target, rows[TABLE.target].to_numpy())
    return prepared
