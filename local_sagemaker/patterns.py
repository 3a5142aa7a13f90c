"""The service model's patterns, written for Java, as Python expressions."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Protocol, cast

import regex  # type: ignore[import-untyped]  # it has no stubs, and this module hides it

if TYPE_CHECKING:
    import re

ExpressionError: type[Exception] = regex.error


class Pattern(Protocol):
    """What is used of a compiled expression."""

    def fullmatch(self, text: str) -> re.Match[str] | None:
        """Match the whole text."""

    def search(self, text: str, *, timeout: float) -> re.Match[str] | None:
        """Find the first match; raise TimeoutError after as many seconds."""


# `(…)${1,128}` repeats the end anchor, which Java allows and which says no more than `$`.
_REPEATED_END = regex.compile(r"\$\{[0-9]+,[0-9]+\}")
# A range of surrogate pairs: how Java 8 wrote the characters beyond the basic plane.
_SURROGATES = r"\uD800\uDC00-\uDBFF\uDFFF"


@cache
def compile_pattern(pattern: str) -> Pattern:
    r"""Compile a pattern of the service model.

    Args:
        pattern: As in botocore's model. The service anchors it at both ends: use ``fullmatch``.

    Returns:
        The compiled expression; knows the ``\\p{…}`` classes.
    """
    translated = _REPEATED_END.sub("", pattern).replace(_SURROGATES, "\U00010000-\U0010ffff")
    # Java's digits are ten.
    translated = translated.replace(r"\d", r"\p{posix_digit}")
    return cast("Pattern", regex.compile(translated))


def compile_expression(expression: str) -> Pattern:
    """Compile an expression of a caller's; its searches take a ``timeout`` in seconds.

    Raises:
        ExpressionError: It is not a regular expression.
    """
    return cast("Pattern", regex.compile(expression))
