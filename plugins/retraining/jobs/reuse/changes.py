"""What changed between two contents of a step, in words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from retraining.jobs.reuse.content import Objects, StepContent


def changes(earlier: StepContent, now: StepContent) -> tuple[str, ...]:
    """Say in words what differs; empty if nothing does."""
    return tuple(_changes(earlier, now))


def object_changes(before: Objects, after: Objects) -> str:
    """Say which objects changed, came or went; empty if none did."""
    changed = [name for name in after if name in before and after[name] != before[name]]
    new = [name for name in after if name not in before]
    gone = [name for name in before if name not in after]
    counted = (
        (changed, f"{len(changed)} of {len(after)} objects changed"),
        (new, f"{len(new)} new"),
        (gone, f"{len(gone)} gone"),
    )
    return ", ".join(f"{said} ({_some(names)})" for names, said in counted if names)


def _changes(earlier: StepContent, now: StepContent) -> Iterator[str]:
    for name in {**now.components, **earlier.components}:
        before, after = earlier.components.get(name), now.components.get(name)
        if before == after:
            continue
        if name in now.inputs and name in earlier.inputs:
            difference = object_changes(earlier.inputs[name], now.inputs[name])
            yield f"{name}: {difference or 'the job gets it in another way'}"
        elif _is_input(before) and _is_input(after):
            yield f"{name}: {_count(before)} → {_count(after)} objects, some of them changed"
        elif _is_input(before) or _is_input(after):
            yield f"{name}: {'gone' if after is None else 'new'}"
        elif name == "arguments":
            yield from _argument_changes(before, after)
        elif name.startswith("environment "):
            yield f"{name}: {'new' if before is None else 'gone' if after is None else 'changed'}"
        else:
            yield _change(name, before, after)


def _is_input(component: object) -> bool:
    return isinstance(component, Mapping) and "objects" in component


def _count(component: object) -> object:
    return component["count"] if isinstance(component, Mapping) else 0


def _argument_changes(before: object, after: object) -> Iterator[str]:
    old, new = _options(before), _options(after)
    names = [name for name in {**new, **old} if old.get(name) != new.get(name)]
    for name in names:
        yield _change(f"argument {name}", _said(old.get(name)), _said(new.get(name)))
    if not names:
        yield "arguments: the same ones in another order or spelling"


def _options(arguments: object) -> dict[str, list[str]]:
    """Pair a command line's options with their values; what belongs to none goes by its number."""
    found: dict[str, list[str]] = {}
    option: str | None = None
    position = 0
    items: Sequence[str] = arguments if isinstance(arguments, list) else []
    for item in items:
        if item.startswith("--"):
            name, equals, value = item.partition("=")
            found.setdefault(name, []).append(value)
            option = None if equals else name
        elif option is not None:
            found[option][-1] = item
            option = None
        else:
            position += 1
            found[str(position)] = [item]
    return found


def _said(values: list[str] | None) -> str | None:
    return None if values is None else " ".join(values) or "set"


def _change(name: str, before: object, after: object) -> str:
    if before is None:
        return f"{name}: new, {_short(after)}"
    if after is None:
        return f"{name}: gone, was {_short(before)}"
    return f"{name}: {_short(before)} → {_short(after)}"


def _short(value: object, length: int = 120) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= length else f"{text[:length]}…"


def _some(names: Sequence[str], most: int = 3) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
