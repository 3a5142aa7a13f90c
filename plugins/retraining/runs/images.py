"""Which container image the jobs run in."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from retraining.settings import Settings


def image_uri(settings: Settings, *, region: str, instance_type: str) -> str:
    """Return the image that the settings name, or else AWS's scikit-learn image for the region.

    The SDK knows which AWS account serves the image in a region. Importing it costs seconds, so
    this is called in a task, never while a DAG file is parsed.

    Raises:
        ValueError: The SDK knows no such version, or no such region.
    """
    if settings.image_uri:
        return settings.image_uri
    from sagemaker.core import image_uris

    # The model is served by the image that trained it, and not every version can serve.
    uri: str = image_uris.retrieve(
        "sklearn",
        region,
        version=settings.image_version,
        instance_type=instance_type,
        image_scope="inference",
    )
    return uri
