"""What each feature set is worth: r2 on the held-out 20 % over thirteen split seeds.

Run it with the image's Python; it prints the table that docs/features.md quotes:

    .local/images/sklearn-1.4-2/bin/python benchmarks/feature_sets.py

It goes through the jobs' own functions, so it measures what they do.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SEEDS = (42, *range(12))

SCRIPTS = ROOT / "include" / "scripts"
sys.path[:0] = [str(SCRIPTS / "california_housing"), str(SCRIPTS)]

from features import FEATURE_SETS, fit_preprocessor  # noqa: E402 (the scripts are no package)
from kit.csv_table import read_split  # noqa: E402
from kit.splits import Shares, split_table  # noqa: E402
from table import TABLE  # noqa: E402
from train import fit_model, r2  # noqa: E402


def held_out_r2(table: Path) -> dict[str, list[float]]:
    """Give each feature set's r2, seed by seed."""
    rows = read_split(table, TABLE)
    shares = Shares(train=0.8, validation=0.0, test=0.2)
    scores: dict[str, list[float]] = {name: [] for name in FEATURE_SETS}
    for seed in SEEDS:
        splits = split_table(rows, shares, table=TABLE, seed=seed)
        for name, values in scores.items():
            preprocessor = fit_preprocessor(name, splits["train"][TABLE.features])
            model = fit_model(preprocessor, splits["train"], fit_intercept=True, positive=False)
            values.append(r2(model, splits["test"]))
    return scores


def main() -> None:
    """Print a Markdown table: a line for each seed, then lowest, median and highest."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "table",
        type=Path,
        nargs="?",
        default=ROOT / ".local" / "sample-data" / "california_housing.csv",
        help="a CSV file",
    )
    scores = held_out_r2(parser.parse_args().table)
    lines = [(f"{seed}", [values[i] for values in scores.values()]) for i, seed in enumerate(SEEDS)]
    for summary in (min, statistics.median, max):
        name = {min: "lowest", max: "highest"}.get(summary, "median")
        lines.append((name, [summary(values) for values in scores.values()]))
    print(f"| split seed | {' | '.join(scores)} |")
    print("| --- |" + " ---: |" * len(scores))
    for name, values in lines:
        print(f"| {name} | {' | '.join(f'{value:.4f}' for value in values)} |")


if __name__ == "__main__":
    main()
