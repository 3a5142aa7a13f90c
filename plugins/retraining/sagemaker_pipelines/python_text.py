"""Python's text for what JSON has, and for calls, as this project's own files look.

What fits stands on one line; else a container's items fill lines, as hand-written requests here do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from unicodedata import east_asian_width

WIDTH = 100
_INDENT = " " * 4
_CUTS = ("/", " ", ".")


@dataclass(frozen=True, slots=True)
class Call:
    """A call.

    Attributes:
        word: What is called.
        arguments: By position.
        named: By name.
    """

    word: str
    arguments: tuple[object, ...] = ()
    named: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Name:
    """A name, written as it is."""

    text: str


def on_one_line(value: object) -> str:
    """Return the text of a value, whatever its length."""
    match value:
        case str():
            return _text(value)
        case Name(text):
            return text
        case Mapping() | list() | Call():
            opening, items, closing = _parts(value)
            return f"{opening}{', '.join(key + on_one_line(item) for key, item in items)}{closing}"
    return repr(value)


def lines(value: object, *, before: str = "", after: str = "", depth: int = 0) -> list[str]:
    """Return the lines of a value.

    Args:
        value: It.
        before: What stands before it on its first line.
        after: What stands after it on its last.
        depth: How often its first line is indented.
    """
    indent = _INDENT * depth
    flat = f"{indent}{before}{on_one_line(value)}{after}"
    if width(flat) <= WIDTH or not isinstance(value, Mapping | list | Call | str):
        return [flat]
    if isinstance(value, str):
        return _long_text(value, before, after, depth)
    opening, items, closing = _parts(value)
    if not items:
        return [flat]
    *first, (key, last) = items
    if isinstance(last, Mapping | list | Call):
        told = "".join(f"{name}{on_one_line(item)}, " for name, item in first)
        head = f"{before}{opening}{told}{key}"
        short = all(not isinstance(item, Mapping | list | Call) for _, item in first)
        few = len(first) < (3 if isinstance(value, Call) else 2)
        if short and few and width(f"{indent}{head}{_parts(last)[0]}") <= WIDTH:
            return lines(last, before=head, after=f"{closing}{after}", depth=depth)
    return [f"{indent}{before}{opening}", *_filled(items, depth + 1), f"{indent}{closing}{after}"]


def _filled(items: list[tuple[str, object]], depth: int) -> Iterator[str]:
    line = ""
    for key, item in items:
        flat = f"{key}{on_one_line(item)},"
        joined = f"{line} {flat}" if line else _INDENT * depth + flat
        if width(joined) <= WIDTH:
            line = joined
            continue
        if line:
            yield line
        line = _INDENT * depth + flat
        if width(line) > WIDTH:
            yield from lines(item, before=key, after=",", depth=depth)
            line = ""
    if line:
        yield line


def _parts(value: object) -> tuple[str, list[tuple[str, object]], str]:
    match value:
        case Mapping():
            return "{", [(f"{_text(str(key))}: ", item) for key, item in value.items()], "}"
        case list():
            return "[", [("", item) for item in value], "]"
        case Call(word, arguments, named):
            by_name = [(f"{name}=", item) for name, item in (named or {}).items()]
            return f"{word}(", [*(("", item) for item in arguments), *by_name], ")"
    raise TypeError(f"{value!r} has no parts")


def _text(text: str) -> str:
    """Return a text in the quotes that the formatter takes: double ones, if they are no worse."""
    quote = "'" if '"' in text and "'" not in text else '"'
    return f"{quote}{''.join(_character(item, quote) for item in text)}{quote}"


def _character(character: str, quote: str) -> str:
    if character in {quote, "\\"}:
        return f"\\{character}"
    if character.isprintable():
        return character
    return character.encode("unicode_escape").decode("ascii")


def _long_text(text: str, before: str, after: str, depth: int) -> list[str]:
    """Return a text as several, which Python joins; cut behind a slash, or where it must."""
    room = WIDTH - len(_INDENT) * (depth + 1)
    indent = _INDENT * depth
    parts: list[str] = []
    while text or not parts:
        end = len(text)
        while width(_text(text[:end])) > room and end > 1:
            end = min(end - 1, max(room, 1))
        if end < len(text):
            cuts = (text.rfind(mark, 0, end) + 1 for mark in _CUTS)
            end = next((cut for cut in cuts if cut > end // 3), end)
        parts.append(f"{indent}{_INDENT}{_text(text[:end])}")
        text = text[end:]
    return [f"{indent}{before}(", *parts, f"{indent}){after}"]


def width(line: str) -> int:
    """Return how many columns a line takes."""
    return len(line) + sum(east_asian_width(character) in "WF" for character in line)
