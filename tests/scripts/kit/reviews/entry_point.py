"""The endpoint: a JSON object with a text in, one with its label and its share out."""

from __future__ import annotations

import json
from pathlib import Path

import joblib


def model_fn(model_dir):
    return joblib.load(Path(model_dir) / "model.joblib")


def input_fn(body, content_type):
    if content_type != "application/json":
        raise ValueError(f"{content_type} is not application/json")
    return json.loads(body)["text"]


def predict_fn(text, model):
    (shares,) = model.predict_proba([text])
    best = shares.argmax()
    return {"label": model.classes_[best], "share": float(shares[best])}


def output_fn(prediction, accept):
    return json.dumps(prediction), accept
