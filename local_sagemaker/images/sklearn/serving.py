"""What the scikit-learn image does for an endpoint where the user's module has no function."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from sagemaker_inference import content_types, decoder, default_inference_handler, errors


class Handler(default_inference_handler.DefaultInferenceHandler):  # type: ignore[misc]
    """The defaults of input_fn, predict_fn and output_fn; there is none of model_fn."""

    def default_input_fn(self, body: Any, content_type: str) -> Any:
        """Decode text/csv and application/json to float32, x-npy as it is."""
        if content_type == content_types.NPY:
            # The image's own decoder is patched so: an array of objects would be unpickled.
            return np.load(io.BytesIO(body), allow_pickle=False)
        if content_type not in content_types.UTF8_TYPES:
            raise errors.GenericInferenceToolkitError(
                415, f"Content type {content_type} is not supported by this framework."
            )
        return decoder.decode(body, content_type).astype(np.float32)

    def default_predict_fn(self, data: Any, model: Any) -> Any:
        """Call the model."""
        return model.predict(data)

    def default_output_fn(self, prediction: Any, accept: str) -> Any:
        """Encode the prediction as the caller accepts it."""
        try:
            return super().default_output_fn(prediction, accept)
        except errors.UnsupportedFormatError as error:
            raise errors.GenericInferenceToolkitError(406, str(error)) from error
