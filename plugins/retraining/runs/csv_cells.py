"""Cells of CSV files that people open in a spreadsheet."""

from __future__ import annotations

# A spreadsheet takes a text that begins so for a formula, some also with the signs' wide forms, and
# anyone may name a run.
# https://owasp.org/www-community/attacks/CSV_Injection
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def cell(value: object) -> object:
    """Return what to write for a value: a text that would be a formula behind an apostrophe."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
