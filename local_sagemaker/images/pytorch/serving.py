"""What the PyTorch image answers an endpoint's calls, by the toolkit that it brings.

`sagemaker-pytorch-inference` has the defaults for a user's module; TorchServe, which is Java, runs
it in the image, and `serve.py` does here.
"""

from __future__ import annotations

from sagemaker_pytorch_serving_container.default_pytorch_inference_handler import (
    DefaultPytorchInferenceHandler as Handler,
)

__all__ = ["Handler"]
