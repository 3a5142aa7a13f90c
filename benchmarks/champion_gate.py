"""How much worse than the champion a good night's model comes out, and how much a worse one.

Run it with the image's Python of a pipeline; docs/gates.md quotes what it prints:

    .local/images/sklearn-1.4-2/bin/python benchmarks/champion_gate.py california_housing
    .local/images/xgboost-3.0-5/bin/python benchmarks/champion_gate.py abalone

A table grows from 60 % to all of its rows. Each night a model is trained; its champions are those
of one, seven and twenty-nine nights before. It goes through the jobs' own functions.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = ROOT / "include" / "scripts"
PIPELINE = next((name for name in sys.argv[1:] if (SCRIPTS / name).is_dir()), "california_housing")
sys.path[:0] = [str(SCRIPTS / PIPELINE), str(SCRIPTS)]

import numpy as np  # noqa: E402
from kit.csv_table import read_split  # noqa: E402
from kit.regression import regression_difference  # noqa: E402
from kit.splits import Shares, split_table  # noqa: E402
from table import TABLE  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    Model = Callable[[pd.DataFrame], np.ndarray]
AGES = (1, 7, 29)
FIRST_SHARE = 0.6


def housing(train: pd.DataFrame, *, worse: bool) -> Model:
    """Fit the engineered features; worse are the raw ones."""
    from features import fit_preprocessor  # noqa: PLC0415
    from train import fit_model  # noqa: PLC0415

    preprocessor = fit_preprocessor("raw" if worse else "engineered", train[TABLE.features])
    model = fit_model(preprocessor, train, fit_intercept=True, positive=False)
    return lambda rows: model.predict(rows[TABLE.features])


def abalone(train: pd.DataFrame, *, worse: bool) -> Model:
    """Fit the DAG's boosted trees; worse are three rounds instead of fifty."""
    import xgboost  # noqa: PLC0415
    from features import fit_preprocessor, prepare  # noqa: PLC0415

    def matrix(rows: pd.DataFrame) -> Any:
        prepared = prepare(preprocessor, rows).to_numpy()
        return xgboost.DMatrix(prepared[:, 1:], label=prepared[:, 0])

    preprocessor = fit_preprocessor(train)
    settings = {
        "objective": "reg:squarederror", "max_depth": 5, "eta": 0.2, "gamma": 4,
        "min_child_weight": 6, "subsample": 0.7, "nthread": 1,
    }  # fmt: skip
    booster = xgboost.train(settings, matrix(train), num_boost_round=3 if worse else 50)
    return lambda rows: booster.predict(matrix(rows))


PIPELINES = {
    "california_housing": (housing, "r2_score", Shares(train=0.8, validation=0.0, test=0.2)),
    "abalone": (abalone, "mse", Shares(train=0.7, validation=0.15, test=0.15)),
}


def nights(table: pd.DataFrame, count: int, *, seed: int) -> list[dict[str, pd.DataFrame]]:
    """Split each night's rows; night by night there are more of them."""
    shuffled = table.iloc[np.random.default_rng(seed).permutation(len(table))]
    sizes = np.linspace(FIRST_SHARE * len(table), len(table), count).astype(int)
    shares = PIPELINES[PIPELINE][2]
    return [split_table(shuffled.iloc[:size], shares, table=TABLE, seed=seed) for size in sizes]


def worse_by(candidate: Model, champion: Model, test: pd.DataFrame) -> float:
    """Give by how much the candidate is worse, as the report has it."""
    actual = test[TABLE.target].to_numpy()
    told = regression_difference(actual, candidate(test), champion(test), samples=2, seed=1)
    return float(told["regression_metrics"][PIPELINES[PIPELINE][1]]["worse_by"])


def main() -> None:
    """Print a Markdown table: a line for each age of the champion, then one for worse models."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pipeline", choices=PIPELINES)
    parser.add_argument("--nights", type=int, default=30)
    parser.add_argument("--seeds", type=int, default=10)
    options = parser.parse_args()
    fit, metric, _ = PIPELINES[PIPELINE]
    table = read_split(ROOT / ".local" / "sample-data" / f"{PIPELINE}.csv", TABLE)
    found: dict[str, list[float]] = {f"{age} nights old": [] for age in AGES}
    found["a worse candidate"] = []
    for seed in range(options.seeds):
        splits = nights(table, options.nights, seed=seed)
        models = [fit(split["train"], worse=False) for split in splits]
        for night, split in enumerate(splits):
            for age in AGES:
                if night >= age:
                    beside = worse_by(models[night], models[night - age], split["test"])
                    found[f"{age} nights old"].append(beside)
        worse = fit(splits[-1]["train"], worse=True)
        found["a worse candidate"].append(worse_by(worse, models[-2], splits[-1]["test"]))
    print(f"| champion | nights | {metric} worse by: least | median | 99 % | most |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for name, values in found.items():
        if values:
            told = [min(values), *np.quantile(values, (0.5, 0.99)), max(values)]
            print(f"| {name} | {len(values)} | " + " | ".join(f"{x:.4f}" for x in told) + " |")


if __name__ == "__main__":
    main()
