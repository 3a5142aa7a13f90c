"""Put the real California housing data in place, or say why it cannot be had.

The table is the 1990 census extract of Pace and Barry (1997) in scikit-learn's form. The
registry package ``shapiq`` carries it as a CSV file; scikit-learn can fetch it too. There is no
third source: a model gate is not tried on invented data.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

from local_stack.samples.packaged_table import SampleDataError, packaged_file, put_in_place

SHA256 = "6c0573ec35c926d6fab1225b6ff5d3ee1c664ebf960168f3fd13d70b6acdc485"
ROWS = 20_640
COLUMNS = (
    "MedInc",
    "HouseAge",
    "AveRooms",
    "AveBedrms",
    "Population",
    "AveOccup",
    "Latitude",
    "Longitude",
    "MedHouseVal",
)
_FILE = Path("shapiq", "datasets", "data", "california_housing.csv")


def packaged_csv(package_folder: Path) -> bytes:
    """Read the CSV file that the ``shapiq`` package carries, and check it to the byte.

    Raises:
        SampleDataError: The package is not there, or its file is another one.
    """
    content = packaged_file(package_folder / _FILE, SHA256)
    check(content)
    return content


def fetched_csv() -> bytes:
    """Fetch the same table with scikit-learn, in the packaged file's form.

    Raises:
        SampleDataError: It could not be fetched.
    """
    from sklearn.datasets import fetch_california_housing  # noqa: PLC0415 - seldom needed, slow

    try:
        data = fetch_california_housing()
    except Exception as error:
        raise SampleDataError(f"scikit-learn could not fetch it: {error}") from error
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*data.feature_names, "MedHouseVal"])
    for features, target in zip(data.data.tolist(), data.target.tolist(), strict=True):
        writer.writerow([*features, target])
    content = text.getvalue().encode()
    check(content)
    return content


def check(content: bytes) -> None:
    """Check the header and the number of rows.

    Raises:
        SampleDataError: It is another table.
    """
    rows = csv.reader(io.StringIO(content.decode()))
    header = tuple(next(rows, ()))
    if header != COLUMNS:
        raise SampleDataError(f"the columns are {header}, not {COLUMNS}")
    count = sum(1 for _ in rows)
    if count != ROWS:
        raise SampleDataError(f"it has {count} rows, not {ROWS}")


if __name__ == "__main__":
    put_in_place("California housing", [packaged_csv, lambda _: fetched_csv()])
