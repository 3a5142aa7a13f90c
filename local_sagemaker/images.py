"""Which local environment stands for which container image."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local_sagemaker.errors import RequestInvalidError

if TYPE_CHECKING:
    from collections.abc import Mapping

_TABLE = Path(__file__).with_name("images.toml")
_PROGRAMS = Path(__file__).with_name("images")


@dataclass(frozen=True, slots=True)
class Image:
    """An image that has a local environment.

    Attributes:
        repository: The image's repository, without the registry.
        tags: Those of its tags that the environment stands for.
        environment: The environment's folder below the images folder; has ``bin/python3``.
        made_by: The command that makes the environment.
        program: The folder below ``images/`` with what the image does by itself.
        metric: An expression for metrics in the log of a training job; its groups are the two parts
            of a name and a number. Empty: there are none but those that a request defines.
        preimport: Modules that a warm parent imports for its jobs.
        worker_died: What the image's web server answers to a call whose worker has died: `status`,
            `content_type` and `body`.
        training_module: What AWS's training toolkit runs of the image's own, ``module:function``.
    """

    repository: str
    tags: tuple[str, ...]
    environment: str
    made_by: str
    program: str
    metric: str = ""
    preimport: tuple[str, ...] = ()
    worker_died: Mapping[str, Any] = field(default_factory=dict)
    training_module: str = ""

    @property
    def serving(self) -> Path:
        """The module that an endpoint's process takes the image's answers from."""
        return _PROGRAMS / self.program / "serving.py"

    @property
    def algorithm(self) -> Path | None:
        """The program that trains where a job names no script; None if the image has none."""
        program = _PROGRAMS / self.program / "train.py"
        return program if program.is_file() else None


@dataclass(frozen=True, slots=True)
class Environment:
    """What stands for an image on this machine.

    Attributes:
        image: The image.
        folder: Has ``bin/python3`` and the image's libraries.
    """

    image: Image
    folder: Path


@cache
def image_table() -> tuple[Image, ...]:
    """Return the images of images.toml."""
    table = tomllib.loads(_TABLE.read_text(encoding="utf-8"))
    entries = [{**table["program"][entry["program"]], **entry} for entry in table["image"]]
    lists = ("tags", "preimport")
    return tuple(
        Image(**{**entry, **{name: tuple(entry.get(name, ())) for name in lists}})
        for entry in entries
    )


def preimported(environment: str) -> tuple[str, ...]:
    """Return the modules that are imported before the jobs of an environment start."""
    found = [image.preimport for image in image_table() if image.environment == environment]
    return found[0] if found else ()


def find_environment(uri: str, images: Path) -> Environment:
    """Return the environment in which the jobs of an image run.

    Args:
        uri: ``<registry>/<repository>:<tag>``.
        images: The folder of environments.

    Raises:
        RequestInvalidError: The image is unknown, or its environment was not made yet.
    """
    repository, _, tag = uri.rpartition("/")[2].partition(":")
    for image in image_table():
        if image.repository == repository and tag in image.tags:
            environment = images / image.environment
            if not (environment / "bin" / "python3").exists():
                raise RequestInvalidError(
                    f"The environment of image {uri} is not installed: {environment} has no"
                    f" bin/python3. Run `{image.made_by}`."
                )
            return Environment(image, environment)
    known = ", ".join(f"{image.repository}:{tag}" for image in image_table() for tag in image.tags)
    raise RequestInvalidError(
        f"Image {uri} is unknown here; known are {known}. To add it, make an environment with its"
        f" libraries in {images}/<name> and name both in local_sagemaker/images.toml, as"
        " local_sagemaker/README.md describes."
    )
