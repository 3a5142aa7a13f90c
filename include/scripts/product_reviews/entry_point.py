"""What the endpoint runs: the model's archive carries this file as ``code/entry_point.py``.

A request is ``{"features": ["I love it", …]}``; the answer has a sentiment for each text, -1, 0 or
1, and how probable it is: ``{"predictions": [{"label": 1, "probability": 0.98}, …]}``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from kit.serving import JSON, RefusedError, refusing
from network import load_trained, probabilities
from table import SENTIMENTS
from tokens import read_tokenizer, tokenized

SEND = 'send application/json: {"features": ["a text", …]}'


def model_fn(model_dir: str) -> tuple[Any, Any]:
    """Load the network and its tokenizer; it is ready when it has predicted something."""
    folder = Path(model_dir)
    model = load_trained(folder), read_tokenizer(folder)
    predict(["ready"], model)
    return model


def read(body: str | bytes, content_type: str) -> list[str]:
    """Decode a request to its texts.

    Raises:
        RefusedError: It is of another type, or has no texts.
    """
    if content_type.partition(";")[0].strip().lower() != JSON:
        raise RefusedError(415, f"the content type is {content_type!r}; {SEND}")
    try:
        request = json.loads(body)
    except (ValueError, RecursionError):
        raise RefusedError(400, f"the request is no JSON; {SEND}") from None
    texts = request.get("features") if isinstance(request, dict) else None
    if not isinstance(texts, list) or not texts:
        raise RefusedError(400, f"the request has no list of features; {SEND}")
    for number, text in enumerate(texts, 1):
        if not isinstance(text, str) or not text.strip():
            raise RefusedError(400, f"feature {number} is no text; {SEND}")
    # Half of a surrogate pair is legal in JSON, and no character.
    return [text.encode("utf-8", "replace").decode() for text in texts]


def predict(texts: list[str], model: tuple[Any, Any]) -> list[dict[str, Any]]:
    """Give each text's most probable sentiment, and how probable it is."""
    network, tokenizer = model
    found = probabilities(network, tokenized(tokenizer, texts), padding=tokenizer.pad_token_id).max(
        -1
    )
    return [
        {"label": SENTIMENTS[place], "probability": probability}
        for place, probability in zip(found.indices.tolist(), found.values.tolist(), strict=True)
    ]


def write(predictions: list[dict[str, Any]], accept: str) -> tuple[str, str]:
    """Encode the answer.

    Raises:
        RefusedError: The client does not accept JSON.
    """
    accepted = {part.partition(";")[0].strip().lower() for part in accept.split(",")}
    if not accepted & {JSON, "application/*", "*/*"}:
        raise RefusedError(406, f"accepted is {accept!r}; accept {JSON}")
    return json.dumps({"predictions": predictions}), JSON


input_fn, predict_fn, output_fn = refusing(read, predict, write)
