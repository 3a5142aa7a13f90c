"""Split the CSV files of the input in two; the label stays the first column."""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

ROOT = Path("/opt/ml/processing")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--test-share", type=float)
    share = parser.parse_args().test_share
    rows = []
    for path in sorted((ROOT / "input").glob("*.csv")):
        with path.open(newline="") as file:
            rows += list(csv.reader(file))
    cut = len(rows) - int(len(rows) * share)
    for name, part in (("train", rows[:cut]), ("test", rows[cut:])):
        with (ROOT / name / f"{name}.csv").open("w", newline="") as file:
            csv.writer(file).writerows(part)
    print(f"{cut} rows to train with, {len(rows) - cut} to test with")


if __name__ == "__main__":
    main()
