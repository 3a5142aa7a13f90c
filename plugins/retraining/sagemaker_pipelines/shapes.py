"""Short words for the longest parts of requests, in a DAG file that stands for a definition.

Each returns the JSON that it stands for; ``abridged`` puts it where it stands for just that.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping
from typing import Any

from retraining.sagemaker_pipelines.python_text import Call

_OUTPUT = re.compile(
    r"\{\{ steps\.(?P<step>[A-Za-z0-9_-]+)\.ProcessingOutputConfig\.Outputs"
    r"\['(?P<name>[^'{}]+)'\]\.S3Output\.S3Uri \}\}"
)


# What no further member can be called in a call.
_NO_NAMES = frozenset({*keyword.kwlist, "name", "uri", "path"})


def output_of(step: str, name: str) -> str:
    """Return the template of where an output of a Processing step lies."""
    return f"{{{{ steps.{step}.ProcessingOutputConfig.Outputs['{name}'].S3Output.S3Uri }}}}"


def processing_input(
    name: str, uri: object, path: str | None = None, **more: object
) -> dict[str, Any]:
    """Return an input of a processing job: all files below an S3 URI, before it begins.

    Args:
        name: Its name.
        uri: Where they lie.
        path: Where the job finds them; None for the usual folder and the name.
        more: Further members of the input.
    """
    s3_input = {
        "S3Uri": uri,
        "LocalPath": path or f"/opt/ml/processing/input/{name}",
        "S3DataType": "S3Prefix",
        "S3InputMode": "File",
        "S3DataDistributionType": "FullyReplicated",
        "S3CompressionType": "None",
    }
    return {"InputName": name, "S3Input": s3_input, **more}


def processing_output(
    name: str, uri: object, path: str | None = None, **more: object
) -> dict[str, Any]:
    """Return an output of a processing job, uploaded when it ends; as ``processing_input``."""
    s3_output = {
        "S3Uri": uri,
        "LocalPath": path or f"/opt/ml/processing/output/{name}",
        "S3UploadMode": "EndOfJob",
    }
    return {"OutputName": name, "S3Output": s3_output, **more}


def channel(name: str, uri: object, **more: object) -> dict[str, Any]:
    """Return a channel of a training job: all files below an S3 URI, on each of its instances."""
    source = {"S3DataType": "S3Prefix", "S3Uri": uri, "S3DataDistributionType": "FullyReplicated"}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}, **more}


def abridged(value: object) -> object:
    """Return a JSON value with calls of these words, wherever one stands for the same."""
    if isinstance(value, list):
        return [abridged(item) for item in value]
    if isinstance(value, str) and (match := _OUTPUT.fullmatch(value)):
        return Call("output_of", (match["step"], match["name"]))
    if not isinstance(value, Mapping):
        return value
    call: Call | None = None
    match value:
        case {"InputName": str(name), "S3Input": {"S3Uri": uri, "LocalPath": path}, **more}:
            call = _shorter(processing_input, value, (name, uri, path), more)
        case {"OutputName": str(name), "S3Output": {"S3Uri": uri, "LocalPath": path}, **more}:
            call = _shorter(processing_output, value, (name, uri, path), more)
        case {"ChannelName": str(name), "DataSource": {"S3DataSource": {"S3Uri": uri}}, **more}:
            call = _shorter(channel, value, (name, uri), more)
    return call or {name: abridged(inner) for name, inner in value.items()}


def _shorter(word: Any, value: object, arguments: tuple[Any, ...], more: Any) -> Call | None:
    if any(not name.isidentifier() or name in _NO_NAMES for name in more):
        return None
    if word(*arguments[:2], **more) == value:
        arguments = arguments[:2]
    elif word(*arguments, **more) != value:
        return None
    named = {name: abridged(inner) for name, inner in more.items()}
    return Call(word.__name__, tuple(map(abridged, arguments)), named)
