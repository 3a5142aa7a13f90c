"""Write the mean squared error of a trained model on the test rows."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import joblib
import numpy as np

ROOT = Path("/opt/ml/processing")


def main() -> None:
    with tarfile.open(ROOT / "model" / "model.tar.gz") as archive:
        archive.extract("model.joblib", ROOT / "model")
    model = joblib.load(ROOT / "model" / "model.joblib")
    table = np.loadtxt(ROOT / "test" / "test.csv", delimiter=",")
    mse = float(np.mean((model.predict(table[:, 1:]) - table[:, 0]) ** 2))
    report = {"regression_metrics": {"mse": {"value": mse, "standard_deviation": 0.0}}}
    (ROOT / "evaluation" / "evaluation.json").write_text(json.dumps(report))


if __name__ == "__main__":
    main()
