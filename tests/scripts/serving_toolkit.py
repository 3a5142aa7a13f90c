"""Puts requests to AWS's serving toolkit, as the model server does.

Run by the image's Python with the model's folder as argument. Stdin is a JSON list of
{"body": ..., "content_type": ..., "accept": ...}; stdout the list of {"status", "body", "type"}.
"""

from __future__ import annotations

import json
import sys

from sagemaker_inference.transformer import Transformer


class Exchange:
    """One request and its response, in the form in which the model server hands them over."""

    def __init__(self, model_dir: str, request: dict[str, str]) -> None:
        self.system_properties = {"model_dir": model_dir}
        self.request_processor = [self]
        self.request = request
        self.status = 200
        self.content_type = ""

    def get_request_properties(self) -> dict[str, str]:
        return {"Content-Type": self.request["content_type"], "Accept": self.request["accept"]}

    def set_response_content_type(self, _index: int, content_type: str) -> None:
        self.content_type = content_type

    def set_response_status(self, *, code: int, phrase: str) -> None:  # noqa: ARG002 (its name)
        self.status = code


def main() -> None:
    transformer = Transformer()
    answers = []
    for request in json.load(sys.stdin):
        exchange = Exchange(sys.argv[1], request)
        (body,) = transformer.transform([{"body": request["body"].encode()}], exchange)
        answers.append({"status": exchange.status, "body": body, "type": exchange.content_type})
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()
