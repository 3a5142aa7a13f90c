"""Train a ridge regression in SageMaker's script mode."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import joblib
import numpy as np
from sklearn.linear_model import Ridge


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--alpha", type=float)
    parser.add_argument("--features", type=lambda text: text.split(","))
    parser.add_argument("--fit-intercept", type=lambda text: text == "True")
    told = parser.parse_args()
    (path,) = Path(os.environ["SM_CHANNEL_TRAIN"]).glob("*.csv")
    table = np.loadtxt(path, delimiter=",")
    assert table.shape[1] == 1 + len(told.features)
    model = Ridge(alpha=told.alpha, fit_intercept=told.fit_intercept)
    model.fit(table[:, 1:], table[:, 0])
    joblib.dump(model, Path(os.environ["SM_MODEL_DIR"]) / "model.joblib")


if __name__ == "__main__":
    main()
