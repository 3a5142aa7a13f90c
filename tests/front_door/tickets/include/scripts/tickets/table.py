"""What a ticket is: what somebody wrote, and the desk that it is for."""

from __future__ import annotations

from kit.table import Column, Table

DESKS = ("Billing", "Delivery", "Rückgabe, Umtausch")
TABLE = Table((Column("wording", text=True), Column("desk", categories=DESKS)), target="desk")
