"""The JSONPath operators that batch transform documents, and no others.

``$``, ``.name``, ``*``, ``['name', …]``, ``[number, …]`` and ``[start:end]``, with the meaning that
they have in https://github.com/json-path/JsonPath, to which the documentation of DataProcessing
refers: a slice leaves its end out, and names in one bracket give an object of as many members.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_QUOTED = r"""(?:'[^']*'|"[^"]*")"""
_INDEX = r"(?:-?\d*\s*:\s*-?\d*|-?\d+)"
_STEP = re.compile(
    rf"""
    \.?\[\s*(?P<names>{_QUOTED}(?:\s*,\s*{_QUOTED})*)\s*\]
    | \.?\[\s*(?P<indexes>{_INDEX}(?:\s*,\s*{_INDEX})*)\s*\]
    | (?P<every>\.?\[\s*\*\s*\]|\.\*)
    | \.(?P<name>[^.\[\]*'"\s,:()?@]+)
    """,
    re.VERBOSE,
)

_Selection = int | slice


class PathError(ValueError):
    """An expression that is not one, or that finds nothing; the text says which and why."""


@dataclass(frozen=True, slots=True)
class _Step:
    """One step down.

    Attributes:
        names: Of members of an object.
        selections: Of elements of an array.
        every: All there are, of either.
    """

    names: tuple[str, ...] = ()
    selections: tuple[_Selection, ...] = ()
    every: bool = False

    @property
    def several(self) -> bool:
        """Whether it leads to any number of values, which then are a list."""
        only_one = len(self.selections) == 1 and isinstance(self.selections[0], int)
        return self.every or bool(self.selections and not only_one)


@dataclass(frozen=True, slots=True)
class JsonPath:
    """An expression.

    Attributes:
        text: As it was written.
    """

    text: str
    _steps: tuple[_Step, ...]

    @property
    def whole(self) -> bool:
        """Whether it takes all there is."""
        return not self._steps

    @property
    def has_names(self) -> bool:
        """Whether it asks for members of an object, which a row of CSV does not have."""
        return any(step.names for step in self._steps)

    def find(self, value: object) -> object:
        """Return the part of a value, or a list of parts if the path leads to several.

        Raises:
            PathError: A member or an element is not there.
        """
        found, several = [value], False
        for step in self._steps:
            found = [part for whole in found for part in self._below(whole, step)]
            several = several or step.several
        return found if several else found[0]

    def _below(self, value: object, step: _Step) -> list[object]:
        if step.every:
            if isinstance(value, Mapping):
                return list(value.values())
            return list(self._array(value))
        if step.names:
            if not isinstance(value, Mapping):
                raise self._nothing(f"{step.names[0]!r} is asked of what is not an object")
            if missing := [name for name in step.names if name not in value]:
                raise self._nothing(f"there is no {missing[0]!r}")
            if len(step.names) == 1:
                return [value[step.names[0]]]
            return [{name: value[name] for name in step.names}]
        found: list[object] = []
        array = self._array(value)
        for selection in step.selections:
            if isinstance(selection, slice):
                found += array[selection]
            elif -len(array) <= selection < len(array):
                found.append(array[selection])
            else:
                raise self._nothing(f"there is no element {selection} of {len(array)}")
        return found

    def _array(self, value: object) -> Sequence[object]:
        if not isinstance(value, list):
            raise self._nothing("elements are asked of what is not an array")
        return value

    def _nothing(self, why: str) -> PathError:
        return PathError(f"{self.text} finds nothing: {why}")


def parse_path(text: str) -> JsonPath:
    """Read an expression.

    Raises:
        PathError: It is not one, or has an operator that batch transform does not have.
    """
    if not text.startswith("$"):
        raise PathError(f"{text!r} is not a JSONPath: it does not begin with $")
    steps, position = [], 1
    while position < len(text):
        step = _STEP.match(text, position)
        if step is None:
            raise PathError(f"{text!r} is not a JSONPath of batch transform at {text[position:]!r}")
        position = step.end()
        steps.append(_step(step))
    return JsonPath(text, tuple(steps))


def _step(found: re.Match[str]) -> _Step:
    if found["name"]:
        return _Step(names=(found["name"],))
    if found["names"]:
        return _Step(names=tuple(quoted[1:-1] for quoted in re.findall(_QUOTED, found["names"])))
    if found["indexes"]:
        return _Step(selections=tuple(map(_selection, found["indexes"].split(","))))
    return _Step(every=True)


def _selection(text: str) -> _Selection:
    start, colon, end = (part.strip() for part in text.partition(":"))
    return slice(_number(start), _number(end)) if colon else int(start)


def _number(text: str) -> int | None:
    return int(text) if text else None
