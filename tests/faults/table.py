"""The README's table: what each fault comes to, with our operators and with the provider's."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.faults.stack import FOLDER

if TYPE_CHECKING:
    from pathlib import Path

README = FOLDER / "README.md"
_BEGIN = "<!-- the table begins -->"
_END = "<!-- the table ends -->"
_HEAD = "| fault | point | step | ours | the provider's |\n| --- | --- | --- | --- | --- |\n"

Key = tuple[str, str, str]


class TableError(Exception):
    """The README has no table between its two marks."""


@dataclass(frozen=True, slots=True)
class Table:
    """Outcomes in words, by fault, point and step.

    Attributes:
        ours: With our operators.
        theirs: With the provider's; not every step.
    """

    ours: dict[Key, str] = field(default_factory=dict)
    theirs: dict[Key, str] = field(default_factory=dict)

    def markdown(self) -> str:
        """Return the table, a line for all steps with the same outcome."""
        lines = []
        left = list(self.ours)
        while left:
            what, point, _ = left[0]
            words = self.ours[left[0]]
            same = [key for key in left if key[:2] == (what, point) and self.ours[key] == words]
            left = [key for key in left if key not in same]
            theirs: dict[str, list[str]] = {}
            for key in same:
                if key in self.theirs:
                    theirs.setdefault(self.theirs[key], []).append(key[2])
            said = (
                words if len(steps) == len(same) else f"{', '.join(steps)}: {words}"
                for words, steps in theirs.items()
            )
            steps = ", ".join(key[2] for key in same)
            lines.append(f"| {what} | {point} | {steps} | {words} | {'; '.join(said)} |\n")
        return _HEAD + "".join(lines)


def read(path: Path = README) -> Table:
    """Return the outcomes that the README tells of.

    Raises:
        TableError: It has no table.
    """
    _, text, _ = _split(path)
    table = Table()
    for line in text.splitlines()[2:]:
        what, point, steps, ours, theirs = (cell.strip() for cell in line.split("|")[1:-1])
        table.ours.update({(what, point, step): ours for step in steps.split(", ")})
        for part in theirs.split("; ") if theirs else ():
            # Either the words for all of the line's steps, or "step, step: words".
            some, colon, words = part.partition(": ")
            said = words if colon else part
            where = (some if colon else steps).split(", ")
            table.theirs.update({(what, point, step): said for step in where})
    return table


def write(table: Table, path: Path = README) -> None:
    """Put outcomes into the README's table; those of other faults and steps stay as they are.

    Raises:
        TableError: It has none.
    """
    before, _, after = _split(path)
    told = read(path)
    told.ours.update(table.ours)
    told.theirs.update(table.theirs)
    path.write_text(f"{before}{_BEGIN}\n{told.markdown()}{_END}{after}")


def _split(path: Path) -> tuple[str, str, str]:
    text = path.read_text()
    before, begin, rest = text.partition(_BEGIN)
    table, end, after = rest.partition(_END)
    if not begin or not end:
        raise TableError(f"{path} has no table between {_BEGIN} and {_END}")
    return before, table.lstrip("\n"), after
