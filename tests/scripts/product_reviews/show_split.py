"""Prints a split's file as JSON; run by the image's Python with the file as argument."""

from __future__ import annotations

import json
import sys

from pyarrow import parquet

if __name__ == "__main__":
    print(json.dumps(parquet.read_table(sys.argv[1]).to_pylist()))
