"""The scripts as programs of the image's environment, below a folder that stands for /opt/ml."""

from __future__ import annotations

import atexit
import functools
import json
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
KIT = ROOT / "include" / "scripts" / "kit"
IMAGE = ROOT / ".local" / "images" / "sklearn-1.4-2" / "bin"
SAMPLE_DATA = ROOT / ".local" / "sample-data" / "california_housing.csv"
PROGRAM_ENVIRONMENT = {"PATH": f"{IMAGE}:/usr/bin:/bin", "LANG": "C.UTF-8"}
# Of an evaluation's report the figures that no two evaluations share.
TIMES = re.compile(rb'("(?:latency_p50_ms|latency_p99_ms|timed_requests)": )[0-9.]+')
# What a process that runs several scripts imports once.
LIBRARIES = (
    "joblib", "pandas", "sklearn.compose", "sklearn.impute", "sklearn.linear_model",
    "sklearn.pipeline", "sklearn.preprocessing",
)  # fmt: skip


def ship(own: Path, folder: Path) -> Path:
    """Lay a pipeline's scripts out as its code archive does: its own files, and ``kit/``."""
    for path in (*own.glob("*.py"), *own.glob("requirements.txt")):
        shutil.copy(path, folder)
    shutil.copytree(KIT, folder / "kit", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@functools.cache
def shipped(name: str) -> Path:
    """The scripts of one of the project's pipelines, laid out in a folder of their own."""
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return ship(ROOT / "include" / "scripts" / name, folder)


SCRIPTS = shipped("california_housing")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a program ended."""

    code: int
    stdout: str
    stderr: str


@dataclass(frozen=True, slots=True)
class Run:
    """The folders of one run of the three jobs, each job with its own /opt/ml."""

    folder: Path

    @property
    def preprocessed(self) -> Path:
        return self.folder / "processing" / "output"

    @property
    def model(self) -> Path:
        return self.folder / "training" / "model"

    @property
    def archive(self) -> Path:
        return self.folder / "archive"

    @property
    def evaluation(self) -> Path:
        return self.folder / "evaluation"

    def report(self) -> dict[str, Any]:
        return json.loads((self.evaluation / "evaluation.json").read_text())


def run_cold(
    *argv: str | Path, stdin: str = "", image: Path = IMAGE, **environment: str | Path
) -> Outcome:
    """Run an image's Python in an environment that holds nothing of the test's own."""
    done = subprocess.run(
        [image / "python", *argv],
        env=PROGRAM_ENVIRONMENT | {name: str(value) for name, value in environment.items()},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def train_with_toolkit(base: Path, preprocessed: Path, **hyperparameters: object) -> Outcome:
    """Run train.py as SageMaker does: AWS's toolkit, its configuration files, its environment."""
    config = base / "input" / "config"
    config.mkdir(parents=True)
    (base / "input" / "data").mkdir()
    for channel in ("train", "preprocessor"):
        (base / "input" / "data" / channel).symlink_to(preprocessed / channel)
    with tarfile.open(base / "sourcedir.tar.gz", "w:gz") as tar:
        for path in (*SCRIPTS.glob("*.py"), SCRIPTS / "kit"):
            tar.add(path, path.name)
    program = {
        "sagemaker_program": "train.py",
        "sagemaker_submit_directory": str(base / "sourcedir.tar.gz"),
        "sagemaker_region": "us-east-1",
    }
    given = {name.replace("_", "-"): value for name, value in hyperparameters.items()}
    channel_config = {"TrainingInputMode": "File", "S3DistributionType": "FullyReplicated"}
    for name, content in {
        "hyperparameters": {k: json.dumps(v) for k, v in (program | given).items()},
        "inputdataconfig": {"train": channel_config, "preprocessor": channel_config},
        "resourceconfig": {"current_host": "localhost", "hosts": ["localhost"]},
    }.items():
        (config / f"{name}.json").write_text(json.dumps(content))
    (base / "model").mkdir()
    (base / "output").mkdir()
    return run_cold(IMAGE / "train", SAGEMAKER_BASE_DIR=base, AWS_DEFAULT_REGION="us-east-1")


def pack(folder: Path, archive: Path) -> None:
    """Pack a model's folder as SageMaker does at the end of a training job."""
    archive.mkdir(parents=True)
    with tarfile.open(archive / "model.tar.gz", "w:gz") as tar:
        tar.add(folder, ".")


def write_csv(path: Path, table: list[list[str]]) -> Path:
    """Write a table of texts; the folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(",".join(row) + "\n" for row in table))
    return path


def files_below(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by its path from there."""
    assert os.path.lexists(folder)
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def without_times(files: dict[str, bytes]) -> dict[str, bytes]:
    """An evaluation's files, without the times that were measured."""
    content, count = TIMES.subn(rb"\1_", files["evaluation.json"])
    assert count == 3
    return files | {"evaluation.json": content}
