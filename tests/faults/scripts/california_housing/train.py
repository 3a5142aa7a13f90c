"""Stands in for training: writes a model that is none."""

from __future__ import annotations

import os
from pathlib import Path

import orders


def main() -> None:
    """Run the job."""
    rows = orders.read(Path(os.environ["SM_CHANNEL_TRAIN"]))
    output = Path(os.environ.get("SM_OUTPUT_DIR", "/opt/ml/output"))
    orders.obey(rows, "train", reason=output / "failure")
    print("train:r2=0.7;", flush=True)
    (Path(os.environ["SM_MODEL_DIR"]) / "model.joblib").write_text("no model")


if __name__ == "__main__":
    main()
