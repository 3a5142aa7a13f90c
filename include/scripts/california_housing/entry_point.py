"""What the endpoint runs: the model's archive carries this file as ``code/entry_point.py``.

It stands alone, importing libraries only. A request is text/csv: one line a row, the eight
features in this order and no header; an empty field, or ``nan``, is a missing value. The answer,
one prediction a line in hundreds of thousands of dollars, is encoded by the serving toolkit.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import joblib
import numpy as np

FEATURES = (
    "MedInc",
    "HouseAge",
    "AveRooms",
    "AveBedrms",
    "Population",
    "AveOccup",
    "Latitude",
    "Longitude",
)


def model_fn(model_dir: str) -> Any:
    """Load the model, which takes raw rows: its preprocessor is part of it.

    It is ready when it has predicted something: libraries are still imported by the first
    prediction, which two requests at once would not survive.
    """
    model = joblib.load(Path(model_dir) / "model.joblib")
    model.predict(np.ones((1, len(FEATURES))))
    return model


def input_fn(body: str | bytes, content_type: str) -> np.ndarray:
    """Decode a text/csv request to a float64 array of shape (rows, 8).

    The toolkit's own decoder would take text for a missing value, and a header for a row.

    Raises:
        ValueError: Another content type, no row, or a line that is not eight numbers.
    """
    if content_type.partition(";")[0].strip().lower() != "text/csv":
        raise ValueError(f"the content type is {content_type!r}; send text/csv")
    text = body if isinstance(body, str) else bytes(body).decode("utf-8-sig")
    lines = text.rstrip().split("\n") if text.strip() else []
    if not lines:
        raise ValueError("the request is empty; send one line of eight numbers for each row")
    return np.array([_row(line, number) for number, line in enumerate(lines, 1)], dtype=np.float64)


def predict_fn(rows: np.ndarray, model: Any) -> Any:
    """Predict one value a row."""
    return model.predict(rows)


def _row(line: str, number: int) -> list[float]:
    fields = line.split(",")
    if len(fields) != len(FEATURES):
        raise ValueError(
            f"line {number} has {len(fields)} fields; send these {len(FEATURES)}, without a "
            f"header: {','.join(FEATURES)}"
        )
    return [
        _number(field.strip(), number, name) for field, name in zip(fields, FEATURES, strict=True)
    ]


def _number(field: str, number: int, name: str) -> float:
    try:
        value = float(field or "nan")
    except ValueError:
        hint = "; send the rows without a header" if number == 1 else ""
        raise ValueError(f"line {number}, {name}: {field!r} is not a number{hint}") from None
    if np.isinf(value):
        raise ValueError(f"line {number}, {name}: {field!r} is not a finite number")
    return value
