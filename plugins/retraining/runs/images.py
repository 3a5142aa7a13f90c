"""Which container image a declaration's image stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retraining.settings import SettingsError

if TYPE_CHECKING:
    from retraining.pipeline import Image, Pipeline
    from retraining.settings import Settings

TRAINING, INFERENCE = "training", "inference"


def image_uris(
    pipeline: Pipeline, settings: Settings, *, region: str, instance_type: str
) -> dict[str, str]:
    """Return the URIs of a pipeline's images.

    Returns:
        ``image_uri`` of the processing jobs, ``training_image_uri``, and ``inference_image_uri``
        of what serves the models.

    Raises:
        ValueError: The SDK knows no such framework, version or region, or an image that trains
            but cannot serve was declared to do both.
        SettingsError: The settings have no URI for an image, and there is no SDK to ask.
    """
    training = pipeline.training_image or pipeline.image
    wanted = {
        "image_uri": (pipeline.image, TRAINING),
        "training_image_uri": (training, TRAINING),
        "inference_image_uri": (pipeline.inference_image or training, INFERENCE),
    }
    return {
        name: _uri(image, scope, settings, region=region, instance_type=instance_type)
        for name, (image, scope) in wanted.items()
    }


def _uri(
    image: Image | str, scope: str, settings: Settings, *, region: str, instance_type: str
) -> str:
    if isinstance(image, str):
        return image
    for name in (f"{image}:{scope}", str(image)):
        if name in settings.image_uris:
            return settings.image_uris[name]
    # The SDK knows which AWS account serves an image in a region. Importing it costs seconds, so
    # this is called in a task, never while a DAG file is parsed.
    try:
        from sagemaker.core import image_uris as sdk
    except ImportError as error:
        raise SettingsError(
            f"no URI is known for the image {image}: set RETRAINING_IMAGE_URIS, which is a list,"
            f" to {image}=<uri>, or install the SageMaker SDK 3, which names AWS's own images, with"
            f" gated-retraining[sdk] ({error})"
        ) from error
    uri: str = sdk.retrieve(
        image.framework,
        region,
        version=image.version,
        instance_type=instance_type,
        image_scope=scope,
    )
    return uri
