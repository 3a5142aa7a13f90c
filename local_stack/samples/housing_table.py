"""Put the real California housing data in place, or say why it cannot be had.

The table is the 1990 census extract of Pace and Barry (1997) in scikit-learn's form. The
registry package ``shapiq`` carries it as a CSV file; scikit-learn can fetch it too. There is no
third source: a model gate is not tried on invented data.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import sys
from functools import partial
from pathlib import Path

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


class SampleDataError(Exception):
    """The real data is not what it should be, or cannot be had at all."""


def packaged_csv(package_folder: Path) -> bytes:
    """Read the CSV file that the ``shapiq`` package carries, and check it to the byte.

    Raises:
        SampleDataError: The package is not there, or its file is another one.
    """
    path = package_folder / "shapiq" / "datasets" / "data" / "california_housing.csv"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SampleDataError(f"{path} cannot be read: {error.strerror}") from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != SHA256:
        raise SampleDataError(f"{path} has SHA-256 {digest}, not {SHA256}")
    return content


def fetched_csv() -> bytes:
    """Fetch the same table with scikit-learn, in the packaged file's form.

    Raises:
        SampleDataError: It could not be fetched.
    """
    from sklearn.datasets import fetch_california_housing

    try:
        data = fetch_california_housing()
    except Exception as error:
        raise SampleDataError(f"scikit-learn could not fetch it: {error}") from error
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*data.feature_names, "MedHouseVal"])
    for features, target in zip(data.data.tolist(), data.target.tolist(), strict=True):
        writer.writerow([*features, target])
    return text.getvalue().encode()


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


def main() -> None:
    """Write the table to ``target``; exit with a message where that is impossible."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("package", type=Path, help="where the shapiq package was installed")
    parser.add_argument("target", type=Path, help="the CSV file to write")
    arguments = parser.parse_args()
    reasons = []
    for source in (partial(packaged_csv, arguments.package), fetched_csv):
        try:
            content = source()
            check(content)
        except SampleDataError as error:
            reasons.append(str(error))
            continue
        arguments.target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = arguments.target.with_suffix(".part")
        unfinished.write_bytes(content)
        unfinished.replace(arguments.target)
        return
    sys.exit("The California housing data cannot be had: " + "; ".join(reasons))


if __name__ == "__main__":
    main()
