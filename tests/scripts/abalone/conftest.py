"""Abalone's jobs, each in its own image, and XGBoost's built-in algorithm between them."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.scripts.jobs import ROOT, Outcome, files_below, pack, run_cold, shipped

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Table = list[list[str]]

SAMPLE_DATA = ROOT / ".local" / "sample-data" / "abalone.csv"
IMAGES = {
    version: ROOT / ".local" / "images" / f"xgboost-{version}" / "bin"
    for version in ("3.0-5", "1.7-1")
}
# The hyperparameters of SageMaker's tutorial; a container's own words for the channel's files.
TRAIN = """
import sys, xgboost
channel = f"{sys.argv[1]}/train/train.csv?format=csv&label_column=0"
parameters = {"objective": "reg:squarederror", "max_depth": "5", "eta": "0.2", "gamma": "4",
              "min_child_weight": "6", "subsample": "0.7", "nthread": "1"}
booster = xgboost.train(parameters, xgboost.DMatrix(channel), 50)
booster.set_attr(**dict(pair.split("=") for pair in sys.argv[3:]))
booster.save_model(f"{sys.argv[2]}/xgboost-model")
"""


@dataclass
class Abalone:
    """The folders of one run."""

    folder: Path
    run_warm: Callable[..., Outcome]

    @property
    def splits(self) -> Path:
        return self.folder / "splits"

    @property
    def output(self) -> Path:
        return self.folder / "evaluation"

    def preprocess(self, *options: object) -> Outcome:
        return self.run_warm(
            shipped("abalone") / "preprocess.py",
            *("--snapshot", self.folder / "snapshot", "--output", self.splits),
            *("--message", self.folder / "message", *options),
        )

    def train(self, image: Path, *attributes: str) -> None:
        (self.folder / "model").mkdir(exist_ok=True)
        done = run_cold("-c", TRAIN, self.splits, self.folder / "model", *attributes, image=image)
        assert done.code == 0, done.stderr
        pack(self.folder / "model", self.folder / "archive")

    def evaluate(self, image: Path, *options: object) -> Outcome:
        return run_cold(
            shipped("abalone") / "evaluate.py",
            *("--model", self.folder / "archive", "--test", self.splits / "test"),
            *("--preprocessor", self.splits / "preprocessor", "--output", self.output),
            *("--message", self.folder / "message", *map(str, options)),
            image=image,
        )

    def message(self) -> str:
        return (self.folder / "message").read_text()

    def rows_of(self, split: str) -> Table:
        return list(csv.reader(files_below(self.splits)[f"{split}/{split}.csv"].decode().split()))

    def record(self) -> dict[str, Any]:
        return json.loads((self.splits / "preprocessor" / "preprocessing.json").read_text())


@pytest.fixture
def abalone(tmp_path: Path, run_warm: Callable[..., Outcome]) -> Abalone:
    (tmp_path / "snapshot").mkdir()
    return Abalone(tmp_path, run_warm)


@pytest.fixture
def whole(abalone: Abalone) -> Abalone:
    """The real table has landed."""
    (abalone.folder / "snapshot" / "abalone.csv").symlink_to(SAMPLE_DATA)
    return abalone


@pytest.fixture(scope="session")
def sample() -> Table:
    """Every 50th row of the real table, as texts: 84 rows."""
    with SAMPLE_DATA.open(newline="") as lines:
        return list(csv.reader(lines))[::50]
