"""What the endpoint runs: the model's archive carries this file as ``code/entry_point.py``.

A request is text/csv: one line a row, the eight features in the table's order and no header, by the
rules that the snapshot is read by; an empty field, or ``nan``, is a missing value. What would be
refused in a snapshot is refused here. The answer, one prediction a line in hundreds of thousands of
dollars, is text/csv or application/json.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import joblib
import numpy as np
from kit.serving import read_rows, refusing
from table import TABLE

FEATURES = TABLE.features


def model_fn(model_dir: str) -> Any:
    """Load the model, which takes raw rows: its preprocessor is part of it.

    It is ready when it has predicted something: libraries are still imported by the first
    prediction, which two requests at once would not survive.
    """
    model = joblib.load(Path(model_dir) / "model.joblib")
    predict(read("," * (len(FEATURES) - 1), "text/csv"), model)
    return model


def read(body: str | bytes, content_type: str) -> np.ndarray:
    """Decode a request to a float64 array of shape (rows, 8)."""
    return np.array(read_rows(body, content_type, TABLE, outside="refuse"), order="C")


def predict(rows: np.ndarray, model: Any) -> Any:
    """Predict one value a row."""
    return model.predict(rows)


input_fn, predict_fn, output_fn = refusing(read, predict)
