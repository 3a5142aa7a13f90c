"""AddTags, ListTags and DeleteTags, on whatever has an ARN here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from local_sagemaker.errors import RequestInvalidError
from local_sagemaker.tags import get_tags, put_tags

if TYPE_CHECKING:
    from local_sagemaker.emulator import Emulator
    from local_sagemaker.requests import Request
    from local_sagemaker.store import Store

# What carries tags here: the resource type in an ARN is the kind in the store.
_TAGGED = (
    "processing-job",
    "training-job",
    "transform-job",
    "hyper-parameter-tuning-job",
    "model-package-group",
    "model-package",
    "model",
    "endpoint-config",
    "endpoint",
)


def add_tags(emulator: Emulator, request: Request) -> dict[str, object]:
    """Answer AddTags."""
    arn = _existing(emulator.store, request)
    tags: Any = request.members["Tags"]
    put_tags(emulator.store, arn, tags=tags)
    return {"Tags": get_tags(emulator.store, arn)}


def list_tags(emulator: Emulator, request: Request) -> dict[str, object]:
    """Answer ListTags; a resource's tags always fit on one page."""
    return {"Tags": get_tags(emulator.store, _existing(emulator.store, request))}


def delete_tags(emulator: Emulator, request: Request) -> dict[str, object]:
    """Answer DeleteTags."""
    arn = _existing(emulator.store, request)
    keys: Any = request.members["TagKeys"]
    emulator.store.execute_many(
        "DELETE FROM tags WHERE arn = ? AND key = ?", [(arn, key) for key in keys]
    )
    return {}


def _existing(store: Store, request: Request) -> str:
    arn = request.text("ResourceArn").lower()
    _, _, _, region, _, resource = arn.split(":", 5)
    kind, _, name = resource.partition("/")
    if kind not in _TAGGED or store.get(region, kind, name=name) is None:
        raise RequestInvalidError(f"Could not find a taggable resource with the ARN {arn}.")
    return arn
