"""Which local environment stands for which container image."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from local_sagemaker.errors import RequestInvalidError

_TABLE = Path(__file__).with_name("images.toml")


@dataclass(frozen=True, slots=True)
class Image:
    """An image that has a local environment.

    Attributes:
        repository: The image's repository, without the registry.
        tags: Those of its tags that the environment stands for.
        environment: The environment's folder below the images folder; has ``bin/python3``.
        made_by: The command that makes the environment.
        preimport: Modules that a warm parent imports for its jobs.
    """

    repository: str
    tags: tuple[str, ...]
    environment: str
    made_by: str
    preimport: tuple[str, ...] = ()


@cache
def image_table() -> tuple[Image, ...]:
    """Return the images of images.toml."""
    entries = tomllib.loads(_TABLE.read_text(encoding="utf-8"))["image"]
    lists = ("tags", "preimport")
    return tuple(
        Image(**{**entry, **{name: tuple(entry.get(name, ())) for name in lists}})
        for entry in entries
    )


def preimported(environment: str) -> tuple[str, ...]:
    """Return the modules that are imported before the jobs of an environment start."""
    found = [image.preimport for image in image_table() if image.environment == environment]
    return found[0] if found else ()


def find_environment(uri: str, images: Path) -> Path:
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
            return environment
    known = ", ".join(f"{image.repository}:{tag}" for image in image_table() for tag in image.tags)
    raise RequestInvalidError(
        f"Image {uri} is unknown here; known are {known}. To add it, make an environment with its"
        f" libraries in {images}/<name> and name both in local_sagemaker/images.toml, as"
        " local_sagemaker/README.md describes."
    )
