"""What a table may hold: its columns, their legal cells, and which column is predicted."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from math import inf


@dataclass(frozen=True, slots=True)
class Column:
    """One column: of numbers, unless it has categories or is free text.

    Attributes:
        name: As the header spells it.
        low: The least legal number.
        high: The greatest legal number.
        categories: The legal texts; a column that has them holds no numbers.
        text: Whether the column holds any text, of one line.
        whole: Whether its numbers are whole ones.
    """

    name: str
    low: float = -inf
    high: float = inf
    _: KW_ONLY
    categories: tuple[str, ...] = ()
    text: bool = False
    whole: bool = False

    @property
    def is_number(self) -> bool:
        """Whether its cells are numbers."""
        return not (self.categories or self.text)

    @property
    def legal(self) -> str:
        """What its numbers may be, in words."""
        whole = "a whole number, " if self.whole else ""
        if self.high == inf:
            return f"{whole}{self.low} or more"
        return whole + (
            f"{self.high} or less" if self.low == -inf else f"{self.low} to {self.high}"
        )


@dataclass(frozen=True, slots=True)
class Table:
    """The columns of all files of a table.

    Attributes:
        columns: With a header, a file may have them in any order.
        target: The name of the column that is predicted.
        header: Whether line 1 of a file names the columns.
    """

    columns: tuple[Column, ...]
    _: KW_ONLY
    target: str
    header: bool = True

    @property
    def names(self) -> list[str]:
        """All columns."""
        return [column.name for column in self.columns]

    @property
    def features(self) -> list[str]:
        """All columns but the target."""
        return [name for name in self.names if name != self.target]

    @property
    def requests(self) -> Table:
        """What an endpoint is sent: the features in their order, without a header."""
        columns = tuple(column for column in self.columns if column.name != self.target)
        return Table(columns, target="", header=False)

    @property
    def first_row(self) -> int:
        """The line of a file's first row."""
        return 2 if self.header else 1
