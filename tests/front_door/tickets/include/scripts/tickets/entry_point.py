"""What the endpoint runs: ``{"wording": …}`` in, the desk and each desk's probability out."""

from __future__ import annotations

import json
from pathlib import Path

import joblib


def model_fn(model_dir):
    return joblib.load(Path(model_dir) / "model.joblib")


def input_fn(body, content_type):
    if content_type != "application/json":
        raise ValueError(f"the content type is {content_type}; send application/json")
    return json.loads(body)["wording"]


def predict_fn(wording, model):
    (probabilities,) = model.predict_proba([wording])
    by_desk = dict(zip(model.classes_, probabilities.tolist(), strict=True))
    return {"desk": max(by_desk, key=by_desk.get), "probabilities": by_desk}


def output_fn(prediction, accept):
    return json.dumps(prediction), accept
