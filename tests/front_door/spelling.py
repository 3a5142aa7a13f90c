"""The words that a source file spells, apart from its comments and docstrings."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_COMMENTS = {
    ".js": re.compile(r"/\*.*?\*/|(?:^|(?<=\s))//[^\n]*", re.DOTALL | re.MULTILINE),
    ".css": re.compile(r"/\*.*?\*/", re.DOTALL),
    ".html": re.compile(r"<!--.*?-->|\{#.*?#\}", re.DOTALL),
}


def spelled(file: Path, names: Iterable[str]) -> set[str]:
    """Return those of the names that a file spells as a word."""
    code = _code(file)
    return {name for name in names if re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", code)}


def _code(file: Path) -> str:
    text = file.read_text(encoding="utf-8")
    return _python(text) if file.suffix == ".py" else _COMMENTS[file.suffix].sub(" ", text)


def _python(text: str) -> str:
    docstrings = {
        node.value.lineno
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    }
    return " ".join(
        token.string
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type != tokenize.COMMENT
        and not (token.type == tokenize.STRING and token.start[0] in docstrings)
    )
