"""The root of this package's errors."""

from __future__ import annotations


class LocalStackError(Exception):
    """Something that the person at the terminal can understand and act on, told in one message."""
