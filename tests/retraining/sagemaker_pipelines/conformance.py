"""The tables of cases in docs/from-sagemaker-pipelines.md, which the tests beside it make.

    .venv/bin/python tests/retraining/sagemaker_pipelines/conformance.py

runs the cases through SageMaker's local executor and through this library, and writes the tables.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

HERE = Path(__file__).parent
DOCUMENT = HERE.parents[2] / "docs" / "from-sagemaker-pipelines.md"
_WRITES = "WRITE_CONFORMANCE_TABLES"


def markdown(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def documented(name: str, made: str) -> str:
    """Return the table between the two marks of a name; in this program, after writing it there.

    Raises:
        ValueError: The document lacks a mark.
    """
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
    text = DOCUMENT.read_text(encoding="utf-8")
    start = text.index(begin) + len(begin)
    stop = text.index(end, start)
    if os.environ.get(_WRITES):
        DOCUMENT.write_text(text[:start] + made + text[stop:], encoding="utf-8")
        return made
    return text[start:stop]


if __name__ == "__main__":
    os.environ[_WRITES] = "1"
    files = [str(file) for file in sorted(HERE.glob("test_*sdk*.py"))]
    sys.exit(pytest.main(["-q", "-k", "the_table_in_the_docs", *files]))
