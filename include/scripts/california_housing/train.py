"""Fit a linear regression on the train split, and save a model that takes raw rows.

SageMaker's training toolkit runs this script in script mode: hyperparameters arrive as
command-line arguments, channels and folders as SM_* variables.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

# Must precede numpy. On more threads sums are rounded in another order, and the same input
# would give other bytes on a machine of another size.
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

import joblib
import numpy as np
from failure import ArgumentParser, BadInputError, reported_to
from outputs import published
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import Pipeline
from table import FEATURES, TARGET, read_split

if TYPE_CHECKING:
    import pandas as pd


def fit_model(
    preprocessor: Pipeline, train: pd.DataFrame, *, fit_intercept: bool, positive: bool
) -> Pipeline:
    """Fit the regression behind a fitted preprocessor; what returns takes raw rows."""
    regression = LinearRegression(fit_intercept=fit_intercept, positive=positive)
    regression.fit(preprocessor.transform(train[FEATURES]), train[TARGET].to_numpy())
    return Pipeline([("preprocessor", preprocessor), ("regression", regression)])


def truth(text: str) -> bool:
    """Read a hyperparameter; the toolkit turns ``true`` into ``True`` on its way.

    Raises:
        argparse.ArgumentTypeError: It is neither true nor false.
    """
    try:
        return {"true": True, "false": False}[text.lower()]
    except KeyError:
        raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false") from None


def parse(arguments: list[str]) -> argparse.Namespace:
    """Parse the hyperparameters and take the folders from the environment.

    Raises:
        BadInputError: A hyperparameter is unknown or has no such value, or a needed channel is
            not there.
    """
    parser = ArgumentParser(prog="train.py", description=__doc__, allow_abbrev=False)
    parser.add_argument("--fit-intercept", type=truth, default=True, metavar="true|false")
    parser.add_argument("--positive", type=truth, default=False, metavar="true|false")
    for option, variable, default in (
        ("--train", "SM_CHANNEL_TRAIN", "/opt/ml/input/data/train"),
        ("--preprocessor", "SM_CHANNEL_PREPROCESSOR", "/opt/ml/input/data/preprocessor"),
        ("--validation", "SM_CHANNEL_VALIDATION", None),
        ("--model-dir", "SM_MODEL_DIR", "/opt/ml/model"),
    ):
        place = os.environ.get(variable, default)
        parser.add_argument(option, type=Path, default=place, help=f"${variable}", metavar="DIR")
    return parser.parse_args(arguments)


def read_preprocessor(channel: Path) -> tuple[Pipeline, bytes]:
    """Load the fitted preprocessor, and the record of how it came about.

    Raises:
        BadInputError: The channel lacks one of the two files.
    """
    for name in ("preprocessor.joblib", "preprocessing.json"):
        if not (channel / name).is_file():
            raise BadInputError(
                f"{channel / name}: there is no such file; the preprocessor channel must be the "
                "preprocessor/ output of preprocess.py"
            )
    record = (channel / "preprocessing.json").read_bytes()
    return joblib.load(channel / "preprocessor.joblib"), record


def r2(model: Pipeline, split: pd.DataFrame) -> float:
    """Give the share of a split's variance that the model explains."""
    return float(model.score(split[FEATURES], split[TARGET].to_numpy()))


def main() -> None:
    """Run the job; exit with 1 and a message where its inputs cannot be used."""
    output = Path(os.environ.get("SM_OUTPUT_DIR", "/opt/ml/output"))
    # The toolkit writes this file itself, but keeps one that is already there.
    with reported_to(output / "failure"):
        options = parse(sys.argv[1:])
        start = time.perf_counter()
        train = read_split(options.train / "train.csv")
        if len(train) < 2 or train[TARGET].isna().any():
            raise BadInputError(
                f"train.csv has {len(train)} rows; it needs two, each with {TARGET}"
            )
        preprocessor, record = read_preprocessor(options.preprocessor)
        seconds = time.perf_counter() - start
        print(f"read train.csv: train:rows={len(train)}; in {seconds:.2f} s", flush=True)

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
            validation = read_split(options.validation / "validation.csv")
            # r2 of one row is undefined.
            if len(validation) > 1:
                print(f"validation:rows={len(validation)};", flush=True)
                print(f"validation:r2={r2(model, validation):.6f};", flush=True)

        with published(options.model_dir) as folder:
            joblib.dump(model, folder / "model.joblib")
            (folder / "preprocessing.json").write_bytes(record)
            (folder / "code").mkdir()
            entry_point = Path(__file__).resolve().with_name("entry_point.py")
            (folder / "code" / "entry_point.py").write_bytes(entry_point.read_bytes())
        print("wrote model.joblib, preprocessing.json, code/entry_point.py", flush=True)


if __name__ == "__main__":
    main()
