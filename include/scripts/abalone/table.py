"""The columns of UCI's abalone data, and of the rows that the model sees.

https://archive.ics.uci.edu/dataset/1/abalone
"""

from __future__ import annotations

from kit.table import Column, Table

SEXES = ("M", "F", "I")  # I: infant
# Both ends are legal. Lengths and weights are millimetres and grams, divided by 200; 0 is a
# missing one (two rows of the data have no height). More than the greatest is a mistake of unit.
TABLE = Table(
    (
        Column("sex", categories=SEXES),
        Column("length", 0, 2),
        Column("diameter", 0, 2),
        Column("height", 0, 2),
        Column("whole_weight", 0, 20),
        Column("shucked_weight", 0, 20),
        Column("viscera_weight", 0, 20),
        Column("shell_weight", 0, 20),
        Column("rings", 0, 100),  # and 1.5 are the age in years
    ),
    target="rings",
    header=False,
)
MEASURES = [column.name for column in TABLE.columns if column.is_number][:-1]
# As XGBoost's built-in algorithm wants its CSV: the label first, numbers only, no header.
PREPARED = Table(
    (
        Column("rings"),
        *(Column(name) for name in MEASURES),
        *(Column(f"sex_{sex}") for sex in SEXES),
    ),
    target="rings",
    header=False,
)
