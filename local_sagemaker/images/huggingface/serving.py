"""What Hugging Face's image of PyTorch answers an endpoint's calls, by the toolkit that it brings.

`sagemaker-huggingface-inference-toolkit` makes a pipeline of the model, or asks a user's module. In
the image Multi Model Server, which is Java, runs it; here `serve.py` does, with the server's words
(`mms/service.py` of its Python part, and its answer to a failed prediction).
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from typing import TYPE_CHECKING

import mms
from mms.context import Context, RequestProcessor
from mms.metrics.metrics_store import MetricsStore
from mms.service import PredictionException
from sagemaker_huggingface_inference_toolkit.handler_service import HuggingFaceHandlerService

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def load(folder: Path) -> Callable[[bytes, str, str], tuple[int, bytes, str]]:
    """Load a model; return what answers a body, a Content-Type and an Accept.

    Raises:
        SystemExit: The model is to be fetched from the hub.
    """
    if "HF_MODEL_ID" in os.environ:
        sys.exit(
            "HF_MODEL_ID is not emulated by the embedded SageMaker: put the model's files into the"
            " archive of ModelDataUrl, and name its task in HF_TASK"
        )

    def context() -> Context:
        return Context("model", str(folder), {}, 1, None, mms.__version__)

    service = HuggingFaceHandlerService()
    service.initialize(context())

    def respond(body: bytes, content_type: str, accept: str) -> tuple[int, bytes, str]:
        asked = context()
        asked.request_processor = [RequestProcessor(_headers(content_type, accept))]
        asked.metrics = MetricsStore({0: "0"}, "model")
        try:
            (answer,) = service.handle([{"body": bytearray(body)}], asked)
        except PredictionException as error:
            return _failed(error.error_code, error.message)
        except MemoryError:
            return _failed(507, "Out of resources")
        except Exception:  # a user's module may raise anything
            return _failed(503, "Prediction failed")
        content = answer.encode() if isinstance(answer, str) else bytes(answer)
        return 200, content, asked.get_response_content_type(0)

    return respond


def _headers(content_type: str, accept: str) -> dict[str, str]:
    return {"Content-Type": content_type or "application/json", "Accept": accept}


def _failed(code: int, message: str) -> tuple[int, bytes, str]:
    traceback.print_exc()
    told = {"code": code, "type": "InternalServerException", "message": message}
    return code, f"{json.dumps(told, indent=2)}\n".encode(), "application/json"
