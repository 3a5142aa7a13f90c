"""How much a gate says: its words go into logs, notes, XComs and pages, which have limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

# A run's note has 1,000 characters, and says what was registered, too.
LONGEST = 900
# Room for what says how much was left out.
_LEFT_OUT = 40
# So many conditions are told, each in a third of the room at least.
_MOST, _SHARES = 10, 3


def one_line(text: str, longest: int = LONGEST) -> str:
    """Return a text as one line of printable characters, at most ``longest`` (over 40) of them.

    A longer one is cut, and says so. What has no shape, such as half a letter or a NUL, is escaped:
    a database can hold neither.
    """
    begun = text[:longest]
    shown = begun if begun.isprintable() else "".join(map(_printable, begun))
    if len(text) <= longest and len(shown) <= longest:
        return shown
    return f"{shown[: longest - _LEFT_OUT]}… (of {len(text):,} characters)"


def joined(conditions: Sequence[str]) -> str:
    """Return what is said of conditions, in ``LONGEST`` characters; says how many it leaves out."""
    if len(conditions) == 1:
        return one_line(conditions[0])
    room = LONGEST - _LEFT_OUT
    share = room // min(len(conditions), _SHARES)
    told = [one_line(text, share) for text in conditions[:_MOST]]
    while len("; ".join(told)) > room:
        told.pop()
    left_out = len(conditions) - len(told)
    return "; ".join([*told, *([f"conditions left out here: {left_out}"] if left_out else [])])


def _printable(letter: str) -> str:
    return letter if letter.isprintable() else letter.encode("unicode_escape").decode()
