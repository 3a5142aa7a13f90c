"""A pipeline as small as the kit lets one be: reviews, with a text as label and JSON answers."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.scripts.jobs import files_below, pack, ship

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.scripts.jobs import Outcome

WORDS = {"good": ("lovely", "great", "fine"), "bad": ("broken", "dull", "awful")}
REVIEWS = [
    f'{label}-{i}: "{word}", it is {word}'
    for i in range(20)
    for label, words in WORDS.items()
    for word in words
]


@dataclass
class Reviews:
    """The pipeline's folders, and its jobs one by one."""

    scripts: Path
    folder: Path
    run_warm: Callable[..., Outcome]

    def write_snapshot(self, text: str) -> None:
        (self.folder / "snapshot").mkdir(exist_ok=True)
        (self.folder / "snapshot" / "a.csv").write_text(text)

    def preprocess(self, *options: object) -> Outcome:
        return self._run(
            "preprocess.py",
            *("--snapshot", self.folder / "snapshot", "--output", self.folder / "splits"),
            *("--minimum-rows", 10, *options),
        )

    def train(self) -> Outcome:
        outcome = self.run_warm(
            self.scripts / "train.py",
            SM_CHANNEL_TRAIN=self.folder / "splits" / "train",
            SM_MODEL_DIR=self.folder / "model",
            SM_OUTPUT_DIR=self.folder / "training",
        )
        self.pack()
        return outcome

    def pack(self) -> None:
        shutil.rmtree(self.folder / "archive", ignore_errors=True)
        pack(self.folder / "model", self.folder / "archive")

    def evaluate(self, *options: object) -> Outcome:
        splits = self.folder / "splits"
        return self._run(
            "evaluate.py",
            *("--model", self.folder / "archive", "--test", splits / "test"),
            *("--preprocessor", splits / "preprocessor", "--output", self.folder / "evaluation"),
            *options,
        )

    def message(self) -> str:
        return (self.folder / "message").read_text()

    def evaluation(self, name: str) -> Any:
        return json.loads(files_below(self.folder / "evaluation")[name])

    def _run(self, script: str, *arguments: object) -> Outcome:
        return self.run_warm(
            self.scripts / script, *arguments, "--message", self.folder / "message"
        )


@pytest.fixture
def reviews(tmp_path: Path, run_warm: Callable[..., Outcome]) -> Reviews:
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    ship(Path(__file__).with_name("reviews"), scripts)
    made = Reviews(scripts, tmp_path, run_warm)
    rows = [review.replace('"', '""') for review in REVIEWS]
    lines = [f'"{row}",{row.partition("-")[0]}' for row in rows]
    made.write_snapshot("\n".join(["text,label", *lines]))
    return made
