"""Long texts that a DAG file would have more than once, as constants of it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from retraining.sagemaker_pipelines.python_text import Call, Name, on_one_line

_SHORTEST = 40
_FEWEST_IN_A_FOLDER = 3
_NEXT_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_FOLDER = "FOLDER"


@dataclass(frozen=True, slots=True)
class SharedTexts:
    """The constants.

    Attributes:
        names: Of each text; one that ends with a slash stands for what is below it, too.
    """

    names: Mapping[str, str]

    def put_into(self, value: object) -> object:
        """Return a value with the constants' names instead of their texts."""
        match value:
            case str() if value in self.names:
                return Name(self.names[value])
            case str() if (folder := value[: value.rfind("/") + 1]) in self.names:
                return Name(f"{self.names[folder]} + {on_one_line(value[len(folder) :])}")
            case Mapping():
                return {name: self.put_into(inner) for name, inner in value.items()}
            case list():
                return [self.put_into(inner) for inner in value]
            case Call(word, arguments, named):
                told = {name: self.put_into(inner) for name, inner in (named or {}).items()}
                return Call(word, tuple(map(self.put_into, arguments)), told)
        return value


def shared_texts(value: object) -> SharedTexts:
    """Return the constants for what a value has more than once, named by the members there."""
    found = [
        (member, text)
        for member, text in _texts(value, "")
        if len(text) >= _SHORTEST and not text.startswith("{{")
    ]
    whole = Counter(text for _, text in found)
    folders = Counter(text[: text.rfind("/") + 1] for text in whole if "{{" in text)
    names: dict[str, str] = {}
    for folder, count in folders.items():
        if (
            count >= _FEWEST_IN_A_FOLDER
            and len(folder) >= _SHORTEST
            and not folder.startswith("{{")
        ):
            names[folder] = _free(_FOLDER, names)
    for member, text in found:
        if whole[text] > 1 and text not in names and text[: text.rfind("/") + 1] not in names:
            names[text] = _free(_NEXT_WORD.sub("_", member).upper(), names)
    return SharedTexts(names)


def _texts(value: object, member: str) -> Iterator[tuple[str, str]]:
    match value:
        case Mapping():
            for name, inner in value.items():
                yield from _texts(inner, name)
        case list():
            for inner in value:
                yield from _texts(inner, member)
        case str():
            yield member, value


def _free(name: str, names: Mapping[str, str]) -> str:
    wanted = name = name if re.fullmatch(r"[A-Z][A-Z0-9_]*", name) and name != "DAG" else "TEXT"
    number = 1
    while name in {"PARAMETERS", *names.values()}:
        number += 1
        name = f"{wanted}_{number}"
    return name
