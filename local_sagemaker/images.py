"""Which local environment stands for which container image."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import distributions
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local_sagemaker.errors import RequestInvalidError

if TYPE_CHECKING:
    from collections.abc import Mapping

_TABLE = Path(__file__).with_name("images.toml")
_PROGRAMS = Path(__file__).with_name("images")
# Its `serving.py` starts the server that an image brings.
OWN_PROGRAM = "own_container"
# What a person wants to know of the libraries that run in place of others.
_TOLD = ("scikit-learn", "xgboost", "xgboost-cpu", "torch", "transformers", "numpy", "pandas")


@dataclass(frozen=True, slots=True)
class Image:
    """An image that has a local environment.

    Attributes:
        repository: The image's repository, without the registry; of a user's image maybe with it.
        tags: Those of its tags, or digests, that the environment stands for.
        environment: The environment's folder, as an absolute path or below the images folder; has
            ``bin/python3``.
        program: The folder below ``images/`` with what the image does by itself.
        python: The versions of Python that its libraries have wheels for, the best one first.
        metric: An expression for metrics in the log of a training job; its groups are the two parts
            of a name and a number. Empty: there are none but those that a request defines.
        preimport: Modules that a warm parent imports for its jobs.
        worker_died: What the image's web server answers to a call whose worker has died: `status`,
            `content_type` and `body`.
        training_module: What AWS's training toolkit runs of the image's own, ``module:function``.
        entrypoint: The Dockerfile's ENTRYPOINT; it gets ``train`` or ``serve`` as an argument.
        port: Where the image's own server listens; 0: at SAGEMAKER_BIND_TO_PORT.
        stand_in: ``<repository>:<tag>`` of the image that runs in place of this one; empty: none.
    """

    repository: str
    tags: tuple[str, ...]
    environment: str
    program: str
    python: tuple[str, ...] = ("3.12", "3.11")
    metric: str = ""
    preimport: tuple[str, ...] = ()
    worker_died: Mapping[str, Any] = field(default_factory=dict)
    training_module: str = ""
    entrypoint: tuple[str, ...] = ()
    port: int = 0
    stand_in: str = ""

    @property
    def serving(self) -> tuple[str, ...]:
        """The module that has the image's answers, for an endpoint, and the module's arguments."""
        module = str(_PROGRAMS / self.program / "serving.py")
        if self.program == OWN_PROGRAM:
            return (module, str(self.port), *self.entrypoint)
        return (module,)

    @property
    def algorithm(self) -> Path | None:
        """The program that trains where a job names no script; None if the image has none."""
        program = _PROGRAMS / self.program / "train.py"
        return program if program.is_file() else None

    @property
    def names(self) -> tuple[str, ...]:
        """The image's names, ``<repository>:<tag>``."""
        return tuple(join_name(self.repository, tag) for tag in self.tags)

    def is_named(self, repository: str, tag: str) -> bool:
        """Tell whether a URI's repository, with its registry, and its tag are this image's."""
        below = repository.endswith(f"/{self.repository}")
        return tag in self.tags and (below or repository == self.repository)


@dataclass(frozen=True, slots=True)
class Environment:
    """What stands for an image on this machine.

    Attributes:
        image: The image.
        folder: Has ``bin/python3`` and the image's libraries.
        notice: A line with which the log of whatever runs in it begins; may be empty.
    """

    image: Image
    folder: Path
    notice: str = ""


@dataclass(frozen=True, slots=True)
class Images:
    """All images that have an environment here.

    Attributes:
        folder: The folder of the environments that this program makes.
        users: A user's own, which come first.
    """

    folder: Path
    users: tuple[Image, ...] = ()

    @property
    def table(self) -> tuple[Image, ...]:
        """The images; the first that has a name counts."""
        return (*self.users, *image_table())

    def preimported(self, environment: Path) -> tuple[str, ...]:
        """Return the modules that are imported before the jobs of an environment start."""
        found = (x.preimport for x in self.table if self.folder / x.environment == environment)
        return next(filter(None, found), ())  # a user's image may be in one of ours


@cache
def image_table() -> tuple[Image, ...]:
    """Return the images of images.toml."""
    table = tomllib.loads(_TABLE.read_text(encoding="utf-8"))
    found = []
    for entry in table["image"]:
        members = {**table["program"][entry["program"]], **entry}
        lists = {"tags", "python", "preimport"} & members.keys()
        found.append(Image(**{**members, **{name: tuple(members[name]) for name in lists}}))
    return tuple(found)


def split_uri(uri: str) -> tuple[str, str]:
    """Return an image's repository, with its registry, and its digest, else its tag."""
    named, _, digest = uri.partition("@")
    registry, slash, name = named.rpartition("/")
    repository, _, tag = name.partition(":")
    return f"{registry}{slash}{repository}", digest or tag or "latest"


def join_name(repository: str, tag: str) -> str:
    """Return an image's name; `tag` may be a digest, which has a colon."""
    return f"{repository}{'@' if ':' in tag else ':'}{tag}"


def unfinished_mark(environment: Path) -> Path:
    """Return the file that is there from the beginning of an environment's making to its end."""
    return environment.with_name(f".{environment.name}.unfinished")


def find_environment(uri: str, images: Images) -> Environment:
    """Return the environment in which the jobs of an image run.

    Args:
        uri: ``<registry>/<repository>:<tag>``.
        images: What there is.

    Raises:
        RequestInvalidError: The image is unknown, or its environment was not made yet.
    """
    image = next((x for x in images.table if x.is_named(*split_uri(uri))), None)
    if image is None:
        known = ", ".join(name for image in images.table for name in image.names)
        raise RequestInvalidError(
            f"Image {uri} is unknown here; known are {known}. A file of yours can give it an"
            " environment, or let one of these run in its place: see --images-file in"
            " local_sagemaker/README.md."
        )
    folder = images.folder / image.environment
    unfinished = unfinished_mark(folder).exists()
    if unfinished or not (folder / "bin" / "python3").exists():
        why = "it is being made, or that has failed" if unfinished else "it has no bin/python3"
        command = f"python -m local_sagemaker images {image.environment} --images {images.folder}"
        raise RequestInvalidError(
            f"The environment of image {uri} is not installed in {folder}: {why}."
            + (f" Run `{command}`." if folder.parent == images.folder else "")
        )
    return Environment(image, folder, _notice(uri, image, folder) if image.stand_in else "")


def _notice(uri: str, image: Image, folder: Path) -> str:
    libraries = [path for path in folder.glob("lib/python3.*/site-packages") if path.is_dir()]
    found = {one.name: one.version for one in distributions(path=[str(x) for x in libraries])}
    told = [f"{name} {found[name]}" for name in _TOLD if name in found]
    python = [path.parent.name.replace("python", "Python ") for path in libraries]
    return (
        f"WARNING: image {uri} was asked for. {image.stand_in} runs instead of it, as the images"
        f" file says, with other libraries: {', '.join(told + python)}."
    )
