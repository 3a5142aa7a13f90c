"""The scripts of the product reviews, in the PyTorch image where this machine has it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.scripts.conftest import warm
from tests.scripts.jobs import ROOT, Outcome, pack, shipped
from tests.scripts.product_reviews.made_up import VOCABULARY, as_csv, reviews

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

IMAGE = ROOT / ".local" / "images" / "pytorch-2.6.0" / "bin"
HERE = ROOT / "tests" / "scripts" / "product_reviews"
LIBRARIES = (
    "pandas", "pyarrow.parquet", "sklearn.feature_extraction.text", "sklearn.linear_model",
    "torch", "transformers.models.bert.modeling_bert",
    "transformers.models.bert.tokenization_bert_fast",
)  # fmt: skip


@pytest.fixture(scope="session")
def run_torch() -> Iterator[Callable[..., Outcome]]:
    """Runs a script in the PyTorch image; skips the test on a machine without it."""
    if not (IMAGE / "python").exists():
        pytest.skip("there is no PyTorch image here: make setup PIPELINE=product_reviews")
    # The networks are too small for two threads, which would wait for each other.
    with warm(IMAGE, *LIBRARIES, OMP_NUM_THREADS="1") as run:
        yield run


@pytest.fixture(scope="session")
def pretrained(run_torch: Callable[..., Outcome], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pretrained") / "tiny"
    made = run_torch(HERE / "tiny_bert.py", folder, *VOCABULARY)
    assert made.code == 0, made.stderr
    return folder


@dataclass(frozen=True)
class Reviews:
    """The folders of one run, and its jobs."""

    folder: Path
    pretrained: Path
    run: Callable[..., Outcome]

    def land(self, rows: list[tuple[object, object]]) -> None:
        (self.folder / "snapshot").mkdir(exist_ok=True)
        (self.folder / "snapshot" / "reviews.csv").write_text(as_csv(rows))

    def preprocess(self, *options: object) -> Outcome:
        return self.run(
            shipped("product_reviews") / "preprocess.py",
            *("--snapshot", self.folder / "snapshot", "--pretrained", self.pretrained),
            *("--output", self.splits, "--message", self.folder / "message"),
            *("--minimum-rows", 10, "--max-sequence-length", 24, *options),
        )

    def train(self, *options: object, **environment: object) -> Outcome:
        return self.run(shipped("product_reviews") / "train.py", *self.training(*options),
                        SM_OUTPUT_DIR=self.folder / "output", **environment)  # fmt: skip

    def training(self, *options: object) -> tuple[object, ...]:
        return (
            *("--train", self.splits / "train", "--validation", self.splits / "validation"),
            *("--preprocessor", self.splits / "preprocessor", "--pretrained", self.pretrained),
            *("--model-dir", self.model, "--checkpoints", self.folder / "checkpoints"),
            *("--learning-rate", 0.005, *options),
        )

    def evaluate(self, *options: object) -> Outcome:
        pack(self.model, self.folder / "archive")
        return self.run(
            shipped("product_reviews") / "evaluate.py",
            *("--model", self.folder / "archive", "--test", self.splits / "test"),
            *("--train", self.splits / "train", "--output", self.folder / "evaluation"),
            *("--message", self.folder / "message", *options),
        )

    @property
    def splits(self) -> Path:
        return self.folder / "splits"

    @property
    def model(self) -> Path:
        return self.folder / "model"

    def message(self) -> str:
        return (self.folder / "message").read_text()

    def failure(self) -> str:
        return (self.folder / "output" / "failure").read_text()

    def split(self, name: str) -> list[dict[str, Any]]:
        shown = self.run(HERE / "show_split.py", self.splits / name / f"{name}.parquet")
        return json.loads(shown.stdout)

    def record(self) -> dict[str, Any]:
        return json.loads((self.splits / "preprocessor" / "preprocessing.json").read_text())


@pytest.fixture
def landed(tmp_path: Path, pretrained: Path, run_torch: Callable[..., Outcome]) -> Reviews:
    """A snapshot of made-up reviews."""
    place = Reviews(tmp_path, pretrained, run_torch)
    place.land([*reviews(120)])
    return place


@pytest.fixture
def split(landed: Reviews) -> Reviews:
    """And its splits."""
    done = landed.preprocess()
    assert done.code == 0, done.stderr
    return landed
