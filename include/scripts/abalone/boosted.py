"""A model in XGBoost's own format: loading it, and predicting as the image's server does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xgboost
from kit.failure import BadInputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MODEL = "xgboost-model"


def load(folder: Path) -> xgboost.Booster:
    """Load the model of an unpacked archive. It is never unpickled.

    Raises:
        BadInputError: It is no such model.
    """
    try:
        booster = xgboost.Booster(model_file=folder / MODEL)
        booster.num_features()
    except (xgboost.core.XGBoostError, ValueError) as error:
        # The rest is a stack trace of its C++ code.
        reason = str(error).strip().partition("\n")[0]
        raise BadInputError(
            f"{MODEL}: XGBoost {xgboost.__version__} cannot load it: {reason}"
        ) from error
    return booster


def predict(booster: xgboost.Booster, rows: np.ndarray) -> Any:
    """Predict rows of features, float64, in the order that the model was trained on.

    Raises:
        BadInputError: It was trained on other features.
    """
    features = booster.num_features()
    if features != rows.shape[1]:
        raise BadInputError(
            f"{MODEL}: it was trained on {features} features, test.csv has {rows.shape[1]}"
        )
    # Where training stopped early, the server leaves out the rounds after the best one.
    best = booster.attr("best_iteration")
    rounds = (0, int(best) + 1) if best else (0, 0)
    return booster.predict(xgboost.DMatrix(rows), iteration_range=rounds)


def ask(booster: xgboost.Booster, rows: Mapping[str, Any]) -> Any:
    """Predict as ``kit.isolated.ask`` wants it."""
    return predict(booster, np.array(rows["rows"], dtype=np.float64))
