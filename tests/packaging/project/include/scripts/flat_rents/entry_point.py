"""The endpoint: the area of a flat in, its rent out."""

from __future__ import annotations

from pathlib import Path

import joblib


def model_fn(model_dir):
    return joblib.load(Path(model_dir) / "model.joblib")


def input_fn(body, content_type):  # noqa: ARG001 - as the toolkit calls it
    return [[float(line)] for line in body.split()]


def predict_fn(rows, model):
    return model.predict(rows)
