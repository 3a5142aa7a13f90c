"""Pipelines that the SageMaker SDK has built, 2.x or 3.x, without importing it.

The SDK takes seconds to import, asks AWS who it is, and reports what it is used for. So a program
that builds a pipeline is run apart, in an environment where it does none of that, and what it
builds is kept as JSON.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from retraining.sagemaker_pipelines.references import DefinitionError

# With the SDK's own switch, each call that it would report costs seconds.
_NO_TELEMETRY = Path(__file__).with_name("no_telemetry.yaml")


@runtime_checkable
class BuiltPipeline(Protocol):
    """What is needed of the SDK's ``Pipeline``."""

    name: str

    def definition(self) -> str:
        """Return the definition's JSON."""
        ...


def definition_text(pipeline: BuiltPipeline) -> str:
    """Return a pipeline's definition in a form that diffs can show.

    Raises:
        DefinitionError: It is not JSON.
    """
    try:
        wire = json.loads(pipeline.definition())
    except ValueError as error:
        raise DefinitionError(f"pipeline {pipeline.name}: not JSON: {error}") from error
    return f"{json.dumps(wire, indent=2, ensure_ascii=False)}\n"


def without_aws(region: str) -> None:
    """Let the SDK call nothing, in this process: not AWS, and not those who count its uses.

    Args:
        region: For which it builds, as it is in the names of images.
    """
    for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION"):
        os.environ.pop(name, None)
    os.environ.update(
        AWS_DEFAULT_REGION=region,
        AWS_ACCESS_KEY_ID="unused",
        AWS_SECRET_ACCESS_KEY="unused",  # noqa: S106 - no secret, and no call
        AWS_EC2_METADATA_DISABLED="true",
        SAGEMAKER_VALIDATE_ROLE="false",
        SAGEMAKER_USER_CONFIG_OVERRIDE=str(_NO_TELEMETRY),
    )


def built(target: str) -> BuiltPipeline:
    """Return the pipeline that a program builds.

    Args:
        target: A module, or a file that ends with ``.py``, a colon, and a name in it: of a
            pipeline, or of a function without arguments that returns one.

    Raises:
        DefinitionError: There is no such name, or it is no pipeline.
    """
    place, colon, name = target.rpartition(":")
    if not colon or not place or not name.isidentifier():
        raise DefinitionError(f"{target}: a module or file, a colon and a name in it are wanted")
    if place.endswith(".py"):
        path = Path(place).resolve()
        if not path.is_file():
            raise DefinitionError(f"{target}: there is no file {place}")
        # As if it were run.
        sys.path.insert(0, str(path.parent))
        place = path.stem
    else:
        sys.path.insert(0, str(Path.cwd()))
    try:
        found: Any = getattr(importlib.import_module(place), name)
    except AttributeError as error:
        raise DefinitionError(f"{target}: {error}") from error
    except ModuleNotFoundError as error:
        if error.name != place:
            raise
        raise DefinitionError(f"{target}: there is no module {place}") from error
    if isinstance(found, type) or (callable(found) and not isinstance(found, BuiltPipeline)):
        found = found()
    if not isinstance(found, BuiltPipeline):
        raise DefinitionError(f"{target} is {found!r}, no pipeline of the SageMaker SDK")
    return found
