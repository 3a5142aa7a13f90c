"""What a flat is."""

from __future__ import annotations

from kit.table import Column, Table

TABLE = Table((Column("area", 5, 1_000), Column("rent", 0)), target="rent")
