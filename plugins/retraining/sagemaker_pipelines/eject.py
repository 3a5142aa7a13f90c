"""A definition as a DAG file of its own, for those who want to own it: the file's text.

It says what the definition says, in the words of ``ejected``. Whatever a step has is written as it
was read, so a further type of step needs nothing here, unless it holds steps itself.
"""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from retraining.sagemaker_pipelines.definition import COMPLETED, read, unwrapped
from retraining.sagemaker_pipelines.for_each import BODY
from retraining.sagemaker_pipelines.form import form
from retraining.sagemaker_pipelines.gates import folder, is_shown
from retraining.sagemaker_pipelines.graph import group_id, nodes
from retraining.sagemaker_pipelines.notation import condition_words, to_templates
from retraining.sagemaker_pipelines.python_text import (
    WIDTH,
    Call,
    Name,
    lines,
    on_one_line,
    width,
)
from retraining.sagemaker_pipelines.references import DefinitionError
from retraining.sagemaker_pipelines.shapes import abridged
from retraining.sagemaker_pipelines.shared_texts import SharedTexts, shared_texts

if TYPE_CHECKING:
    from retraining.sagemaker_pipelines.graph import Node

# What the file calls otherwise, or the linter wants nothing to be called.
_TAKEN = frozenset({
    *dir(builtins), *keyword.kwlist, *keyword.softkwlist,
    "annotations", "dag", "dag_defaults", "l", "params", "steps",
})  # fmt: skip
_NEXT_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|-")
_ARMS = (("if", "IfSteps"), ("else", "ElseSteps"))
# Texts of a definition that the linter takes for something else.
_MISTAKEN = {
    "S104": re.compile(r"""["']0\.0\.0\.0["']"""),
    "S108": re.compile(r"""["'](/tmp|/var/tmp|/dev/shm)"""),
}
_DOCUMENTATION = '''"""Run the SageMaker pipeline **{name}**.

| step | type | waits for |
| --- | --- | --- |
{rows}

This file was made from the pipeline's definition and stands alone. A template in a request, such as
`{{{{ params.X }}}}`, is what a reference of the definition is: it is checked when this file is
parsed, and it is not Jinja.
"""'''


def ejected(text: str | bytes, name: str, *, dag_id: str, snapshot: str | None = None) -> str:
    """Return the text of a DAG file that does what ``pipeline_dag`` does with a definition.

    Args:
        text: The JSON, of ``Pipeline.definition()`` or of DescribePipeline.
        name: The pipeline's name, where the JSON does not say it.
        dag_id: The DAG's id.
        snapshot: The parameter that is the date of the data; None if none is.

    Raises:
        DefinitionError: It is malformed, or has what cannot be had; as ``pipeline_dag`` says it.
            Or it is nested deeper than Python allows, which has about 18
            branches in each other.
    """
    definition = read(text, name)
    fields = form(definition, snapshot)
    wire, _ = unwrapped(text, name)
    placed = nodes(definition)
    constants = shared_texts([to_templates(node.step.arguments) for node in placed.values()])
    made = _Made(placed, constants)
    shown = {"is_shown": is_shown(definition, placed)}
    said = {"snapshot": snapshot} if snapshot is not None else {}
    body = [
        *(line for text, word in constants.names.items() for line in _constant(word, text)),
        *_parameters(fields),
        "",
        "with (",
        "    DAG(",
        *lines(dag_id, before="dag_id=", after=",", depth=2),
        "        schedule=None,",
        "        doc_md=__doc__ + params.table(PARAMETERS),",
        "        params=PARAMETERS,",
        *lines(Call("**dag_defaults.compiled", (folder(definition),), shown), after=",", depth=2),
        "    ) as dag,",
        *lines(
            Call("Steps", (definition.name, Name("PARAMETERS")), said), after=" as steps,", depth=1
        ),
        "):",
        *_spaced([*made.steps(wire["Steps"], depth=1), "", *made.wiring()]),
    ]
    rows = "\n".join(
        f"| `{step}` | {node.step.kind} | {_waits(node)} |" for step, node in made.placed.items()
    )
    documentation = _DOCUMENTATION.format(name=definition.name, rows=rows).split("\n")
    head = [
        *documentation,
        "",
        *_exceptions([*documentation, *body]),
        "from __future__ import annotations",
        "",
        "from airflow.sdk import DAG, Param",
        "from retraining import dag_defaults, params",
        *_import("retraining.sagemaker_pipelines.ejected", {"Steps", *made.words}),
        "",
    ]
    made_text = "\n".join([*head, *body, ""])
    try:
        compile(made_text, dag_id, "exec")
    except (SyntaxError, MemoryError, RecursionError) as error:
        raise DefinitionError(
            f"pipeline {definition.name}: it is nested too deeply for a file of Python: {error}"
        ) from error
    return made_text


@dataclass(slots=True)
class _Made:
    """What is made of a definition's steps.

    Attributes:
        placed: The steps.
        constants: The file's.
        words: The words of conditions that were needed.
    """

    placed: Mapping[str, Node]
    constants: SharedTexts
    words: set[str] = field(default_factory=set)
    _variables: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Name the tasks."""
        for step in self.placed:
            word = _NEXT_WORD.sub("_", step).lower()
            name = word = f"step_{word}" if word[0].isdigit() or not word.strip("_") else word
            number = 1
            while name in _TAKEN or name in self._variables.values():
                number += 1
                name = f"{word}_{number}" if number > 2 or word not in _TAKEN else f"{word}_step"
            self._variables[step] = name

    def steps(self, wire: Iterable[Mapping[str, Any]], *, depth: int) -> Iterator[str]:
        """Yield the lines of steps, those of branches in blocks of their own."""
        for step in wire:
            name, arguments = step["Name"], step["Arguments"]
            members = {
                member: to_templates(value)
                for member, value in step.items()
                if member not in {"Name", "Type", "DependsOn", "Arguments"} and value is not None
            }
            if step["Type"] == "Condition":
                conditions = [condition_words(item) for item in arguments["Conditions"]]
                self.words |= {*_called(conditions)}
                members["Conditions"] = conditions
            else:
                own = arguments
                if step["Type"] == "ForEach":
                    own = {
                        member: value
                        for member, value in arguments.items()
                        if member != BODY and value is not None
                    }
                members["Arguments"] = self.constants.put_into(abridged(to_templates(own)))
                self.words |= {*_called(members["Arguments"])}
            if step["Type"] == "ForEach":
                yield ""
                yield from self._each(name, members, arguments[BODY], depth=depth)
                yield ""
                continue
            call = Call("steps.add", (step["Type"], name), members)
            variable = f"{self._variables[name]} = " if self._is_named(name) else ""
            yield from _statement(call, before=variable, depth=depth)
            for arm, member in _ARMS if step["Type"] == "Condition" else ():
                if arguments.get(member):
                    group = group_id(name, arm, self.placed)
                    said = {} if group == f"{name}__{arm}" else {"group": group}
                    branch = Call("steps.branch", (Name(self._variables[name]), arm), said)
                    yield from lines(branch, before="with ", after=":", depth=depth)
                    yield from self.steps(arguments[member], depth=depth + 1)

    def _each(
        self, name: str, members: Mapping[str, Any], body: list[Any], *, depth: int
    ) -> Iterator[str]:
        """Yield the lines of a ForEach step: a function of the steps in its body."""
        said = {
            word: text
            for word, part in (("items", "items"), ("group", "each"))
            if (text := group_id(name, part, self.placed)) != f"{name}__{part}"
        }
        call = Call("steps.each", (name,), {**said, **members})
        yield from _statement(call, before="@", depth=depth)
        indent = "    " * depth
        yield f"{indent}def {self._variables[name]}() -> None:"
        yield f'{indent}    """Add what is executed for each item."""'
        yield from self.steps(body, depth=depth + 1)
        yield from self._plain(each=name, depth=depth + 1)

    def wiring(self) -> Iterator[str]:
        """Yield the lines that say which step waits for which."""
        yield from self._plain(each=None, depth=1)
        for name in self.placed:
            for after, trigger in self._after(name):
                if trigger != COMPLETED:
                    tasks = Name(self._variables[name]), Name(self._variables[after])
                    yield from _statement(
                        Call("steps.after", (tasks[0], trigger, tasks[1])), depth=1
                    )

    def _plain(self, *, each: str | None, depth: int) -> Iterator[str]:
        """Yield the lines that want others to be completed: of the whole, or of a body's steps."""
        for name, node in self.placed.items():
            if node.each != each:
                continue
            plain = [
                # The variables of a body are its function's.
                Name(
                    self._variables[after]
                    if self.placed[after].each == each
                    else f"dag.get_task({on_one_line(after)})"
                )
                for after, trigger in self._after(name)
                if trigger == COMPLETED
            ]
            if plain:
                value = plain if len(plain) > 1 else plain[0]
                yield from _statement(value, before=f"{self._variables[name]} >> ", depth=depth)

    def _after(self, name: str) -> Iterator[tuple[str, str]]:
        """Yield the steps that wait for one, and how it must end; a branch waits by its block."""
        for after, node in self.placed.items():
            for dependency in node.waits_for:
                is_own = node.arm and node.arm.condition == name
                if dependency.step == name and not (is_own and dependency.trigger == COMPLETED):
                    yield after, dependency.trigger

    def _is_named(self, name: str) -> bool:
        each = self.placed[name].each
        waits = any(
            step == name
            for other, node in self.placed.items()
            if node.each == each
            for step, _ in self._after(other)
        )
        branches = any(node.arm and node.arm.condition == name for node in self.placed.values())
        return waits or branches or any(self._after(name))


def _waits(node: Node) -> str:
    waits = [
        f"`{item.step}`" if item.trigger == COMPLETED else f"`{item.step}` ({item.trigger})"
        for item in node.waits_for
    ]
    if node.each:
        waits.append(f"each item of `{node.each}`")
    elif node.arm:
        waits.append(f"`{node.arm.condition}`: {'if' if node.arm.outcome else 'else'}")
    return ", ".join(waits)


def _called(value: object) -> Iterator[str]:
    match value:
        case Call(word, arguments, named):
            yield word
            yield from _called([*arguments, *(named or {}).values()])
        case Mapping():
            yield from _called([*value.values()])
        case list():
            for item in value:
                yield from _called(item)


def _parameters(fields: Mapping[str, Mapping[str, Any]]) -> list[str]:
    if not fields:
        return ["PARAMETERS: dict[str, Param] = {}"]
    calls = {}
    for name, arguments in fields.items():
        named = {key: value for key, value in arguments.items() if key != "default"}
        default = (arguments["default"],) if "default" in arguments else ()
        calls[name] = Call("Param", default, named)
    told = [
        line
        for name, call in calls.items()
        for line in lines(call, before=f"{on_one_line(name)}: ", after=",", depth=1)
    ]
    # A long one fills its lines.
    return ["PARAMETERS = {", *told, "}  # fmt: skip" if len(told) > len(calls) else "}"]


def _constant(word: str, text: str) -> list[str]:
    return lines(text, before=f"{word} = ")


def _statement(value: object, *, before: str = "", depth: int) -> list[str]:
    told = lines(value, before=before, depth=depth)
    if len(told) > 1:
        told[-1] += "  # fmt: skip"
    return told


def _spaced(told: list[str]) -> Iterator[str]:
    """Yield lines with one empty line at most between others."""
    for line, following in zip(told, [*told[1:], ""], strict=True):
        if line or following:
            yield line


def _exceptions(told: Iterable[str]) -> list[str]:
    """Return the line that tells the linter what cannot be otherwise."""
    text = "\n".join(told)
    found = [code for code, pattern in _MISTAKEN.items() if pattern.search(text)]
    if any(width(line) > WIDTH for line in text.split("\n")):
        found.insert(0, "E501")
    return [f"# ruff: noqa: {', '.join(found)}"] if found else []


def _import(module: str, words: Iterable[str]) -> list[str]:
    line = f"from {module} import {', '.join(sorted(words))}"
    if width(line) <= WIDTH:
        return [line]
    return [f"from {module} import (", *(f"    {word}," for word in sorted(words)), ")"]
