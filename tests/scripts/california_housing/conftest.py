"""The jobs' runs and data that several tests look at."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import pytest

from tests.scripts.jobs import SAMPLE_DATA, SCRIPTS, Run, pack, run_cold, train_with_toolkit

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def snapshot_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A snapshot of the whole real table."""
    folder = tmp_path_factory.mktemp("snapshot")
    (folder / SAMPLE_DATA.name).symlink_to(SAMPLE_DATA)
    return folder


def _run(folder: Path, snapshot: Path, features: str) -> Run:
    run = Run(folder)
    done = run_cold(
        SCRIPTS / "preprocess.py",
        *("--snapshot", snapshot, "--output", run.preprocessed, "--features", features),
        *("--message", folder / "message"),
    )
    assert done.code == 0, done.stderr
    done = train_with_toolkit(folder / "training", run.preprocessed, fit_intercept="true")
    assert done.code == 0, done.stdout + done.stderr
    (folder / "training.log").write_text(done.stdout)
    pack(run.model, run.archive)
    done = run_cold(
        SCRIPTS / "evaluate.py",
        *("--model", run.archive, "--test", run.preprocessed / "test"),
        *("--output", run.evaluation, "--message", folder / "message"),
    )
    assert done.code == 0, done.stderr
    assert not (folder / "message").exists()
    return run


@pytest.fixture(scope="session")
def engineered_run(tmp_path_factory: pytest.TempPathFactory, snapshot_folder: Path) -> Run:
    return _run(tmp_path_factory.mktemp("engineered"), snapshot_folder, "engineered")


@pytest.fixture(scope="session")
def raw_run(tmp_path_factory: pytest.TempPathFactory, snapshot_folder: Path) -> Run:
    return _run(tmp_path_factory.mktemp("raw"), snapshot_folder, "raw")


@pytest.fixture(scope="session")
def sample() -> list[list[str]]:
    """The real table's header and every 250th row, as texts: 83 rows."""
    with SAMPLE_DATA.open(newline="") as lines:
        header, *rows = csv.reader(lines)
    return [header, *rows[::250]]
