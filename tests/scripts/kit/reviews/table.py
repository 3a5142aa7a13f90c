"""What a review is."""

from __future__ import annotations

from kit.table import Column, Table

TABLE = Table(
    (Column("text", text=True), Column("label", categories=("bad", "good"))), target="label"
)
