"""A split's file: a row a review, with its text, its sentiment and the tokens of its text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
from kit.failure import BadInputError
from pyarrow import parquet

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SPLIT = pa.schema(
    [("text", pa.string()), ("sentiment", pa.int8()), ("tokens", pa.list_(pa.int32()))]
)


def write_split(
    path: Path, *, texts: Sequence[str], sentiments: Sequence[int], tokens: Sequence[list[int]]
) -> None:
    """Write a split: a row a text. The same rows make the same bytes."""
    columns = [list(texts), list(sentiments), list(tokens)]
    parquet.write_table(pa.table(columns, schema=SPLIT), path)


def read_split(path: Path) -> pa.Table:
    """Read a split.

    Raises:
        BadInputError: It is not there, or is no such file.
    """
    if not path.is_file():
        raise BadInputError(f"{path}: there is no such file; preprocess.py writes it")
    try:
        return parquet.read_table(path, schema=SPLIT)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise BadInputError(f"{path}: it is no split of preprocess.py's: {error}") from error
