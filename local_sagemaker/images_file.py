"""A user's own images, from a TOML file that is read at the start."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local_sagemaker.images import OWN_PROGRAM, Image, image_table, join_name, split_uri

if TYPE_CHECKING:
    from collections.abc import Mapping

_MEMBERS = {
    "uri": str,
    "repository": str,
    "tags": list,
    "environment": str,
    "program": str,
    "entrypoint": list,
    "port": int,
    "stand_in": str,
}
_KINDS = {str: "a text", list: "a list of texts", int: "a number"}
# The rules of container registries.
_REPOSITORY = re.compile(r"[a-z0-9.:_/-]*[a-z0-9]")
_TAG = re.compile(r"\w[\w.-]{0,127}|sha256:[0-9a-f]{64}", re.ASCII)


class ImagesFileError(Exception):
    """A file of images is not as it should be; says which one, which entry and which member."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """An ``[[image]]``.

    Attributes:
        where: The file and the entry, for errors.
        folder: The file's.
        members: As they are there.
    """

    where: str
    folder: Path
    members: Mapping[str, Any]

    def wrong(self, member: str, what: str) -> ImagesFileError:
        return ImagesFileError(f"{self.where}: {member}: {what}")


def read_images(file: Path) -> tuple[Image, ...]:
    """Read a user's images; README.md tells what each entry may say.

    Raises:
        ImagesFileError: The file cannot be read, or says something that it must not.
    """
    entries = _entries(file)
    for entry in entries:
        _check_members(entry)
    named = [_names(entry) for entry in entries]
    claimed: dict[tuple[str, str], str] = {}  # to where it stands
    for entry, (repository, tags) in zip(entries, named, strict=True):
        for tag in tags:
            if (repository, tag) in claimed:
                other = claimed[repository, tag]
                raise entry.wrong("tags", f"{join_name(repository, tag)} stands in {other}, too")
            claimed[repository, tag] = entry.where
    own = [
        _own_environment(entry, *names)
        for entry, names in zip(entries, named, strict=True)
        if "stand_in" not in entry.members
    ]
    standing_in = [
        _stand_in(entry, *names, known=(*own, *image_table()))
        for entry, names in zip(entries, named, strict=True)
        if "stand_in" in entry.members
    ]
    return (*own, *standing_in)


def _entries(file: Path) -> list[_Entry]:
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ImagesFileError(f"{file}: {error}") from error
    found = table.pop("image", None)
    if table:
        raise ImagesFileError(f"{file}: {next(iter(table))}: unknown; [[image]] is all it may have")
    if not (isinstance(found, list) and found and all(isinstance(x, dict) for x in found)):
        raise ImagesFileError(f"{file}: it has no [[image]]")
    folder = file.resolve().parent
    return [_Entry(f"{file}, image {n}", folder, x) for n, x in enumerate(found, start=1)]


def _check_members(entry: _Entry) -> None:
    for name, value in entry.members.items():
        if name not in _MEMBERS:
            raise entry.wrong(name, f"unknown; there are {', '.join(_MEMBERS)}")
        kind = _MEMBERS[name]
        fits = isinstance(value, kind) and not isinstance(value, bool)
        words = value if kind is list and fits else [value]
        if not fits or (kind is not int and not all(_is_text(word) for word in words)):
            raise entry.wrong(name, f"{value!r} is not {_KINDS[kind]}")
    _check_together(entry, "uri", "repository")
    _check_together(entry, "environment", "stand_in")
    if "tags" in entry.members and "uri" in entry.members:
        raise entry.wrong("tags", "the uri has the tag already")
    for name in ("program", "entrypoint", "port"):
        if name in entry.members and "stand_in" in entry.members:
            raise entry.wrong(name, "the image that stands in has its own")
    for name in ("entrypoint", "port"):
        if name in entry.members and "program" in entry.members:
            raise entry.wrong(name, "not beside program, which says how the image behaves")


def _check_together(entry: _Entry, one: str, other: str) -> None:
    if (one in entry.members) == (other in entry.members):
        raise entry.wrong(one, f"either {one} or {other} is needed, and only one of them")


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != "" and "\0" not in value


def _names(entry: _Entry) -> tuple[str, tuple[str, ...]]:
    members = entry.members
    if "uri" in members:
        repository, tag = split_uri(members["uri"])
        tags, said = (tag,), "uri"
    else:
        repository, tags, said = members["repository"], tuple(members.get("tags", ())), "repository"
    if not _REPOSITORY.fullmatch(repository) or (said == "repository" and ":" in repository):
        raise entry.wrong(said, f"{repository!r} is not the name of a repository")
    if not tags:
        raise entry.wrong("tags", "they are needed beside repository, at least one")
    for tag in tags:
        if not _TAG.fullmatch(tag):
            raise entry.wrong("uri" if said == "uri" else "tags", f"{tag!r} is not a tag")
    return repository, tags


def _own_environment(entry: _Entry, repository: str, tags: tuple[str, ...]) -> Image:
    members = entry.members
    # Absolute, but not resolved: an interpreter knows its environment by the path.
    try:
        folder = entry.folder / Path(members["environment"]).expanduser()
    except RuntimeError as error:  # ~ of nobody
        raise entry.wrong("environment", f"{members['environment']}: {error}") from error
    if not (folder / "bin" / "python3").exists():
        raise entry.wrong("environment", f"{folder} has no bin/python3")
    port = members.get("port", 0)
    if "port" in members and not 0 < port < 65_536:
        raise entry.wrong("port", f"{port} is not from 1 to 65535")
    image = Image(repository, tags, str(folder), OWN_PROGRAM, port=port)
    if "program" not in members:
        words = (_word(entry, word) for word in members.get("entrypoint", ()))
        return replace(image, entrypoint=tuple(words))
    models = {model.program: model for model in image_table()}
    if members["program"] not in models:
        raise entry.wrong("program", f"{members['program']!r} is none of {', '.join(models)}")
    model = models[members["program"]]
    # Its jobs start cold: what can be imported ahead in this environment is not known.
    return replace(
        model, repository=repository, tags=tags, environment=str(folder), preimport=()
    )  # fmt: skip


def _word(entry: _Entry, word: str) -> str:
    return str(entry.folder / word) if word.startswith(("./", "../")) else word


def _stand_in(
    entry: _Entry, repository: str, tags: tuple[str, ...], *, known: tuple[Image, ...]
) -> Image:
    name = entry.members["stand_in"]
    found = next((image for image in known if image.is_named(*split_uri(name))), None)
    if found is None:
        names = ", ".join(name for image in known for name in image.names)
        raise entry.wrong("stand_in", f"{name!r} is none of {names}")
    return replace(found, repository=repository, tags=tags, stand_in=name)
