"""Fit a linear regression on the train split, and save a model that takes raw rows.

SageMaker's training toolkit runs this script in script mode: hyperparameters arrive as
command-line arguments, channels and folders as SM_* variables.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

# Must precede numpy. On more threads sums are rounded in another order, and the same input
# would give other bytes on a machine of another size.
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

import numpy as np
from kit.csv_table import read_split
from kit.failure import BadInputError
from kit.job import stopwatch, training_job
from kit.training import read_preprocessor, save_model, training_arguments, truth
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import Pipeline
from table import TABLE

if TYPE_CHECKING:
    import pandas as pd


def fit_model(
    preprocessor: Pipeline, train: pd.DataFrame, *, fit_intercept: bool, positive: bool
) -> Pipeline:
    """Fit the regression behind a fitted preprocessor; what returns takes raw rows."""
    regression = LinearRegression(fit_intercept=fit_intercept, positive=positive)
    regression.fit(preprocessor.transform(train[TABLE.features]), train[TABLE.target].to_numpy())
    return Pipeline([("preprocessor", preprocessor), ("regression", regression)])


def r2(model: Pipeline, split: pd.DataFrame) -> float:
    """Give the share of a split's variance that the model explains."""
    return float(model.score(split[TABLE.features], split[TABLE.target].to_numpy()))


def main() -> None:
    """Run the job; exit with 1 and a message where its inputs cannot be used."""
    parser = training_arguments(__doc__)
    parser.add_argument("--fit-intercept", type=truth, default=True, metavar="true|false")
    parser.add_argument("--positive", type=truth, default=False, metavar="true|false")
    with training_job(parser) as options:
        say = stopwatch()
        train = read_split(options.train / "train.csv", TABLE)
        if len(train) < 2 or train[TABLE.target].isna().any():
            raise BadInputError(
                f"train.csv has {len(train)} rows; it needs two, each with {TABLE.target}"
            )
        preprocessor, record = read_preprocessor(options.preprocessor)
        say(f"read train.csv: train:rows={len(train)};")

        start = time.perf_counter()
        model = fit_model(
            preprocessor, train, fit_intercept=options.fit_intercept, positive=options.positive
        )
        if not np.isfinite(model.named_steps["regression"].coef_).all():
            raise BadInputError("train.csv: the fitted coefficients are not finite numbers")
        print(
            f"fitted the regression: train:seconds={time.perf_counter() - start:.3f};", flush=True
        )
        print(f"train:r2={r2(model, train):.6f};", flush=True)
        if options.validation:
            validation = read_split(options.validation / "validation.csv", TABLE)
            # r2 of one row is undefined.
            if len(validation) > 1:
                print(f"validation:rows={len(validation)};", flush=True)
                print(f"validation:r2={r2(model, validation):.6f};", flush=True)

        entry_point = Path(__file__).resolve().with_name("entry_point.py")
        save_model(
            options.model_dir, model, entry_point=entry_point, beside=["table.py"], record=record
        )
        print("wrote model.joblib, preprocessing.json, code/entry_point.py", flush=True)


if __name__ == "__main__":
    main()
