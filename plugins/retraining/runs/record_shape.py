"""The shape of a decision record: asked of each that is written, and of each that is read.

Whoever writes one that does not fit has made an error. Whoever reads one keeps what fits, also
members that nobody here knows, and is told of the rest: a record is a file, which a person or
another version of this library may have written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from retraining.gate.decision import Verdict
from retraining.gate.headline import HIGHER, LOWER
from retraining.gate.report import finite, kind_of

SCHEMA = 1
# So many faults of one record are told, and so much of what was found; the rest is counted.
_TOLD = 5
_LENGTH = 60
# No deeper than what reads conditions can walk; a policy has a handful of levels.
_DEEPEST = 50


class ShapeError(ValueError):
    """A decision record that is about to be written does not fit; the message says where."""


@dataclass(frozen=True, slots=True)
class _Leaf:
    """What a single value must be: in words, and how to tell."""

    words: str
    fits: Callable[[object], bool]


@dataclass(frozen=True, slots=True)
class _OrNull:
    inner: Any


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**31


def _is_shallow(value: object) -> bool:
    """Say whether a value is an object of few levels, without walking into the depth itself."""
    if not isinstance(value, Mapping):
        return False
    level: list[Any] = [value]
    for _ in range(_DEEPEST):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, Mapping) else outer)
            if isinstance(inner, Mapping | list | tuple)
        ]
        if not level:
            return True
    return False


def _one_of(*words: str) -> _Leaf:
    return _Leaf(f"one of {', '.join(words)}", lambda value: value in words)


_TEXT = _Leaf("a text", lambda value: isinstance(value, str))
_TRUTH = _Leaf("true or false", lambda value: isinstance(value, bool))
_NUMBER = _Leaf("a whole number from 1", _is_whole)
_CONDITION = _Leaf(f"an object of at most {_DEEPEST} levels", _is_shallow)
# An object by its members, "?" behind one that may be missing; a list by what is in it.
_RECORD: Mapping[str, Any] = {
    "schema": _NUMBER,
    "verdict": _one_of(*Verdict),
    "explanation": _TEXT,
    "conditions": [
        {
            "condition": _CONDITION,
            "operands": {},
            "holds": _TRUTH,
            "explanation": _TEXT,
            "minimum_rows?": [{"metric": _TEXT, "rows": _TEXT, "minimum": _NUMBER}],
        }
    ],
    "policy_sha256": _TEXT,
    "report": _OrNull({"uri": _TEXT, "etag": _TEXT}),
    "pipeline": {
        "name?": _TEXT,
        "headline?": {"metric": _TEXT, "better": _one_of(HIGHER, LOWER)},
        "plots?": [_TEXT],
    },
    "parameters": {},
    "run": {"run_id": _TEXT, "snapshot?": _TEXT, "run_type?": _TEXT},
    "champion?": _OrNull({"outcome": _TEXT, "reason?": _TEXT, "version?": _TEXT}),
    "against_gate?": _OrNull({"by": _TEXT, "reason": _TEXT}),
    "data?": _OrNull({"comparison": {}, "missing": {}, "baseline?": {}, "reference?": {}}),
    "registered": _OrNull({"model_package_arn": _TEXT, "version": _NUMBER}),
    "registered_by?": _TEXT,
}
_NOTHING = object()


def checked(record: Mapping[str, object]) -> Mapping[str, object]:
    """Return a record that is about to be written, if it has this version's shape.

    Raises:
        ShapeError: It has not; the message names each member and what was found.
    """
    _, faults = fitting(record)
    if record.get("schema") != SCHEMA:
        faults = (f"schema is {_found(record.get('schema'))}, not {SCHEMA}", *faults)
    if faults:
        raise ShapeError(f"this is no decision record: {'; '.join(faults)}")
    return record


def fitting(record: Mapping[str, object]) -> tuple[Mapping[str, Any], tuple[str, ...]]:
    """Return what of a record fits its shape, and what is wrong with the rest.

    Args:
        record: Whatever JSON object lies there. One without ``schema`` is from before there was
            one, and may lack members.

    Returns:
        The record without the members that do not fit, and a few sentences, each with a member and
        what was found there: ``registered is 'v7', not an object``.
    """
    reader = _Reader(is_whole="schema" in record)
    told = record.get("schema")
    if isinstance(told, int) and told > SCHEMA:
        reader.said.append(f"schema is {_found(told)}, and this version reads {SCHEMA}")
    kept = reader.members(record, _RECORD, "")
    return kept, _few(reader.said)


def report_faults(report: object) -> tuple[str, ...]:
    """Return what of a parsed evaluation report, besides its metrics, cannot be read."""
    rows = report.get("rows", {}) if isinstance(report, Mapping) else {}
    if not isinstance(rows, Mapping):
        return (f"the report's rows is {_found(rows)}, not an object",)
    odd = [
        f"the report's rows[{_cut(repr(name))}] is {_found(count)}, not a number"
        for name, count in rows.items()
        if finite(count) is None
    ]
    return _few(odd)


@dataclass(slots=True)
class _Reader:
    """Keeps what fits, and says what does not."""

    is_whole: bool
    said: list[str] = field(default_factory=list)

    def value(self, value: object, shape: Any, at: str) -> Any:
        """Return what fits of a value; ``_NOTHING`` if it is of another kind."""
        if isinstance(shape, _OrNull):
            return None if value is None else self.value(value, shape.inner, at)
        if isinstance(shape, Mapping) and isinstance(value, Mapping):
            return self.members(value, shape, at)
        if isinstance(shape, list) and isinstance(value, list | tuple):
            items = [
                self.value(item, shape[0], f"{at}[{number}]") for number, item in enumerate(value)
            ]
            return [item for item in items if item is not _NOTHING]
        if isinstance(shape, _Leaf) and shape.fits(value):
            return value
        words = shape.words if isinstance(shape, _Leaf) else kind_of(shape)
        self.said.append(f"{at} is {_found(value)}, not {words}")
        return _NOTHING

    def members(
        self, value: Mapping[str, object], shape: Mapping[str, Any], at: str
    ) -> dict[str, Any]:
        """Return an object's members that fit, and those of which nothing is known."""
        kept = dict(value)
        for name, inner in shape.items():
            member = name.removesuffix("?")
            path = f"{at}.{member}" if at else member
            if member in value:
                kept[member] = self.value(value[member], inner, path)
            elif self.is_whole and member == name:
                self.said.append(f"{path} is missing")
        return {name: inner for name, inner in kept.items() if inner is not _NOTHING}


def _found(value: object) -> str:
    if isinstance(value, str) or (not isinstance(value, bool) and finite(value) is not None):
        return _cut(repr(value))
    return kind_of(value)


def _cut(text: str) -> str:
    return text if len(text) <= _LENGTH else f"{text[:_LENGTH]}…"


def _few(said: list[str]) -> tuple[str, ...]:
    rest = [f"{len(said) - _TOLD} more"] if len(said) > _TOLD else []
    return (*said[:_TOLD], *rest)
