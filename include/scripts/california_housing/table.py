"""The table's columns, and what their cells may be."""

from __future__ import annotations

from kit.table import Column, Table

# Both ends are legal. Outside them is a mistake of unit, sign or place, not an unusual district:
# California spans 32.5 to 42.0 degrees north and 124.5 to 114.1 degrees west.
TABLE = Table(
    (
        Column("MedInc", 0, 100),  # tens of thousands of dollars
        Column("HouseAge", 0, 200),  # years
        Column("AveRooms", 0, 1_000),  # per household
        Column("AveBedrms", 0, 1_000),
        Column("Population", 0, 1_000_000),
        Column("AveOccup", 0, 10_000),
        Column("Latitude", 32, 42.5),
        Column("Longitude", -125, -114),
        Column("MedHouseVal", 0, 100),  # hundreds of thousands of dollars
    ),
    target="MedHouseVal",
)
