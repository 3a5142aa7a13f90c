"""Puts requests to a model as an endpoint of the scikit-learn image does, without the endpoint.

Run by the image's Python with the model's folder as argument. Stdin is a JSON list of
{"body": ..., "content_type": ..., "accept": ...}; stdout the list of {"status", "body", "type"}.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import tempfile
from pathlib import Path

from werkzeug.test import Client
from werkzeug.wrappers import Response

PROGRAM = Path(__file__).parents[2] / "local_sagemaker" / "images" / "sklearn" / "serving.py"


def main() -> None:
    with tempfile.TemporaryDirectory() as base:
        Path(base, "model").symlink_to(sys.argv[1])
        os.environ["SAGEMAKER_BASE_DIR"] = base
        spec = importlib.util.spec_from_file_location("image_serving", PROGRAM)
        serving = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(serving)
        client = Client(serving.application(), Response)
        answers = []
        for request in json.load(sys.stdin):
            answer = client.post(
                "/invocations",
                data=request["body"].encode(),
                headers={"Content-Type": request["content_type"], "Accept": request["accept"]},
            )
            body = answer.get_data(as_text=True)
            answers.append(
                {"status": answer.status_code, "body": body, "type": answer.content_type}
            )
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()
