"""How a definition's references and conditions are written in a DAG file that stands for it.

``"s3://{{ params.Bucket }}/raw"`` is a text with what a reference leads to; a text that is one
template, ``"{{ params.Count }}"``, is the value itself, of its own type. What stands in the braces
is what ``{"Get": …}`` has, and ``json_get(<property file>, '<path>')``. This is not Jinja: it is
read when the DAG is parsed, and checked as a definition is. Whatever it cannot say stays JSON.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from retraining.gate.conditions import shown
from retraining.sagemaker_pipelines.python_text import Call
from retraining.sagemaker_pipelines.references import PROPERTY_FILES, DefinitionError

_KINDS = {
    "params": "Parameters", "execution": "Execution", "steps": "Steps", "for_each": "ForEach",
}  # fmt: skip
_SHORT = {kind: word for word, kind in _KINDS.items()}
_TEMPLATE = re.compile(r"\{\{\s*(.*?)\s*\}\}", re.DOTALL)
_JSON_GET = re.compile(r"json_get\((?P<file>[^,]+),\s*(?P<quote>['\"])(?P<path>.*)(?P=quote)\)")
_FILE = re.compile(rf"Steps\.(?P<step>[A-Za-z0-9_-]+)\.{PROPERTY_FILES}\.(?P<name>.+)", re.DOTALL)
_BRACES = "{{ '{{' }}"
_GET, _JOIN, _JSON = "Get", "Std:Join", "Std:JsonGet"


# What a DAG file says of a condition; each word returns the JSON that it stands for.


def Parameter(name: str) -> dict[str, Any]:  # noqa: N802 - as the gate calls it
    """Return what a run was given."""
    return {_GET: f"Parameters.{name}"}


def Metric(step: str, file: str, path: str) -> dict[str, Any]:  # noqa: N802
    """Return a value in a JSON file that a Processing step declares as a property file."""
    return {_JSON: {"PropertyFile": {_GET: f"Steps.{step}.{PROPERTY_FILES}.{file}"}, "Path": path}}


def _comparison(kind: str) -> Callable[[object, object], dict[str, Any]]:
    def compare(left: object, right: object) -> dict[str, Any]:
        return {"Type": kind, "LeftValue": left, "RightValue": right}

    return compare


Equals = _comparison("Equals")
GreaterThan = _comparison("GreaterThan")
GreaterThanOrEqualTo = _comparison("GreaterThanOrEqualTo")
LessThan = _comparison("LessThan")
LessThanOrEqualTo = _comparison("LessThanOrEqualTo")


def In(value: object, values: Sequence[object]) -> dict[str, Any]:  # noqa: N802
    """Return the condition that a value is one of several."""
    return {"Type": "In", "QueryValue": value, "Values": list(values)}


def Not(condition: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
    """Return the condition that another does not hold."""
    return {"Type": "Not", "Condition": condition}


def Or(*conditions: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N802
    """Return the condition that one of several holds."""
    return {"Type": "Or", "Conditions": list(conditions)}


def condition_words(wire: Mapping[str, Any]) -> Call:
    """Return a condition of a definition, one that was read, in these words."""
    match wire:
        case {"Type": "In", "Value": value, "In": values}:
            return Call("In", (_operand(value), [_operand(item) for item in values]))
        case {"Type": "In", "QueryValue": value, "Values": values}:
            return Call("In", (_operand(value), [_operand(item) for item in values]))
        case {"Type": "Not", "Condition": inner}:
            return Call("Not", (condition_words(inner),))
        case {"Type": "Or", "Conditions": several}:
            return Call("Or", tuple(map(condition_words, several)))
    return Call(wire["Type"], (_operand(wire["LeftValue"]), _operand(wire["RightValue"])))


def _operand(wire: object) -> object:
    match wire:
        case {"Get": str(text)} if text.startswith("Parameters."):
            return Call("Parameter", (_escaped(text.removeprefix("Parameters.")),))
        case {"Std:JsonGet": {"PropertyFile": {"Get": str(text)}, "Path": path}}:
            if (file := _FILE.fullmatch(text)) and wire == Metric(file["step"], file["name"], path):
                return Call("Metric", (file["step"], _escaped(file["name"]), _escaped(path)))
        case {"Get": _}:
            return to_templates(wire)
    # Records name an operand by how it is written, so a Join stays as it is.
    return _escaped(wire)


def to_templates(wire: object) -> object:
    """Return a JSON value with its references as templates, where those say the same."""
    if isinstance(wire, list):
        return [to_templates(item) for item in wire]
    if not isinstance(wire, Mapping):
        return _escaped(wire)
    if len(wire) != 1 or not {_GET, _JOIN, _JSON} & wire.keys():
        return {name: to_templates(inner) for name, inner in wire.items()}
    try:
        pieces = _pieces(wire)
        text = "".join(
            f"{{{{ {_slot(piece)} }}}}" if isinstance(piece, Mapping) else str(_escaped(piece))
            for piece in pieces
        )
        if from_templates(text, "") == (_joined(pieces) if _JOIN in wire else wire):
            return text
    except (DefinitionError, _UnsaidError):
        pass
    return _escaped(wire)


def _escaped(wire: object) -> object:
    """Return a JSON value whose texts are no templates."""
    match wire:
        case str():
            return wire.replace("{{", _BRACES)
        case Mapping():
            return {name: _escaped(inner) for name, inner in wire.items()}
        case list():
            return [_escaped(inner) for inner in wire]
    return wire


class _UnsaidError(Exception):
    """There is no template for a value."""


def _pieces(wire: object) -> list[object]:
    """Return what a reference joins: texts, and references that are no Join."""
    if not isinstance(wire, Mapping) or len(wire) != 1:
        raise _UnsaidError
    match wire:
        case {"Get": str()} | {"Std:JsonGet": {"PropertyFile": {"Get": str()}}}:
            return [wire]
        case {"Std:Join": {"Values": list(values), **members}}:
            found: list[object] = []
            for number, value in enumerate(values):
                found += [str(members.get("On", ""))] if number else []
                is_one = not isinstance(value, Mapping | list)
                found += [str(value)] if is_one else _pieces(value)
            return found
    raise _UnsaidError


def _joined(pieces: Sequence[object]) -> dict[str, Any]:
    """Return the Join of pieces, with neighbouring texts as one."""
    values: list[object] = []
    for piece in pieces:
        if isinstance(piece, str) and values and isinstance(values[-1], str):
            values[-1] += piece
        elif piece != "":
            values.append(piece)
    return {_JOIN: {"On": "", "Values": values}}


def _slot(reference: Mapping[str, Any]) -> str:
    if _JSON in reference:
        source, path = reference[_JSON]["PropertyFile"], reference[_JSON].get("Path")
        quote = '"' if "'" in str(path) else "'"
        return f"json_get({_slot(source)}, {quote}{path}{quote})"
    kind, _, name = reference[_GET].partition(".")
    return f"{_SHORT.get(kind, kind)}.{name}"


def from_templates(value: object, where: str) -> object:
    """Return a value with its templates as the references of a definition.

    Args:
        value: What a DAG file has; tuples are lists.
        where: How to name it in a message.

    Raises:
        DefinitionError: A template is none that is known.
    """
    if isinstance(value, Mapping):
        return {name: from_templates(inner, f"{where}.{name}") for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [from_templates(item, f"{where}[{number}]") for number, item in enumerate(value)]
    if not isinstance(value, str):
        return value
    pieces: list[object] = []
    end = 0
    for template in _TEMPLATE.finditer(value):
        pieces += [value[end : template.start()], _reference(template[1], where)]
        end = template.end()
    if "{{" in value[end:]:
        raise DefinitionError(
            f"{where} is {shown(value)}: a template is not closed; write {_BRACES} for the braces"
        )
    pieces = [piece for piece in [*pieces, value[end:]] if piece != ""]
    references = [piece for piece in pieces if isinstance(piece, Mapping)]
    if not references:
        return "".join(map(str, pieces))
    return references[0] if len(pieces) == 1 else _joined(pieces)


def _reference(text: str, where: str) -> object:
    if text == "'{{'":
        return "{{"
    if match := _JSON_GET.fullmatch(text):
        return {_JSON: {"PropertyFile": _reference(match["file"], where), "Path": match["path"]}}
    word, dot, name = text.partition(".")
    if word not in _KINDS or not dot:
        raise DefinitionError(
            f"{where}: {{{{ {text} }}}} is no template that is known here; there are params.<name>,"
            " execution.<variable>, steps.<step>.<path>, for_each.CurrentItem and"
            f" json_get(steps.<step>.{PROPERTY_FILES}.<name>, '<path>'), and {_BRACES} for the"
            " braces themselves"
        )
    return {_GET: f"{_KINDS[word]}.{name}"}
