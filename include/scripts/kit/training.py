"""The training job in script mode: hyperparameters are arguments, folders are SM_* variables."""

from __future__ import annotations

import argparse
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import joblib

from kit.failure import BadInputError
from kit.job import ArgumentParser
from kit.outputs import published
from kit.record import NAME

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# What kit.serving is made of; it travels in each model's archive.
SERVED = ("__init__.py", "csv_table.py", "failure.py", "serving.py", "table.py")


def training_arguments(description: str | None) -> ArgumentParser:
    """Make the parser of the channels' and the model's folders; hyperparameters are to be added.

    ``--validation`` is None where the job has no such channel.
    """
    parser = ArgumentParser(description)
    for option, variable, default in (
        ("--train", "SM_CHANNEL_TRAIN", "/opt/ml/input/data/train"),
        ("--preprocessor", "SM_CHANNEL_PREPROCESSOR", "/opt/ml/input/data/preprocessor"),
        ("--validation", "SM_CHANNEL_VALIDATION", None),
        ("--model-dir", "SM_MODEL_DIR", "/opt/ml/model"),
    ):
        place = os.environ.get(variable, default)
        parser.add_argument(option, type=Path, default=place, help=f"${variable}", metavar="DIR")
    return parser


def truth(text: str) -> bool:
    """Read a hyperparameter; the toolkit turns ``true`` into ``True`` on its way.

    Raises:
        argparse.ArgumentTypeError: It is neither true nor false.
    """
    try:
        return {"true": True, "false": False}[text.lower()]
    except KeyError:
        raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false") from None


def read_preprocessor(channel: Path) -> tuple[Any, bytes]:
    """Load the fitted preprocessor, and the record of how it came about.

    Raises:
        BadInputError: The channel lacks one of the two files.
    """
    for name in ("preprocessor.joblib", NAME):
        if not (channel / name).is_file():
            raise BadInputError(
                f"{channel / name}: there is no such file; the preprocessor channel must be the "
                "preprocessor/ output of preprocess.py"
            )
    return joblib.load(channel / "preprocessor.joblib"), (channel / NAME).read_bytes()


def save_model(
    folder: Path,
    model: object,
    *,
    entry_point: Path,
    beside: Sequence[str] = (),
    record: bytes | None = None,
) -> None:
    """Write ``model.joblib`` and all else that the model's archive shall hold, or nothing.

    Args:
        folder: SageMaker makes ``model.tar.gz`` of it.
        model: What ``model_fn`` of the entry point shall load.
        entry_point: As of ``model_folder``.
        beside: As of ``model_folder``.
        record: As of ``model_folder``.
    """
    with model_folder(folder, entry_point=entry_point, beside=beside, record=record) as unfinished:
        joblib.dump(model, unfinished / "model.joblib")


@contextmanager
def model_folder(
    folder: Path, *, entry_point: Path, beside: Sequence[str] = (), record: bytes | None = None
) -> Iterator[Path]:
    """Yield the folder to write the model into; in the end all of the archive is there, or nothing.

    Besides the model that is ``code/entry_point.py`` with what it imports, and, if there is one,
    ``preprocessing.json``. A model that carries its inference code needs no repacking before it is
    deployed.

    Args:
        folder: SageMaker makes ``model.tar.gz`` of it.
        entry_point: The script that the endpoint runs; ``kit.serving`` goes with it.
        beside: Files of its folder that go with it, too.
        record: The record of preprocessing.
    """
    with published(folder) as unfinished:
        yield unfinished
        if record is not None:
            (unfinished / NAME).write_bytes(record)
        code = unfinished / "code"
        (code / "kit").mkdir(parents=True)
        (code / "entry_point.py").write_bytes(entry_point.read_bytes())
        for name in beside:
            (code / name).write_bytes(entry_point.with_name(name).read_bytes())
        for name in SERVED:
            (code / "kit" / name).write_bytes(Path(__file__).with_name(name).read_bytes())
