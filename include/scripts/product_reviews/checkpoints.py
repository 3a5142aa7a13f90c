"""What training had reached, so that it goes on after its instance was taken away.

SageMaker copies the folder to S3 as its files change, and back when the job starts again. A copy
may have been cut off in the middle, so the checkpoint before the last is kept, too.
"""

from __future__ import annotations

import contextlib
import pickle
from typing import TYPE_CHECKING, Any

import torch
from kit.failure import BadInputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_KEPT = 2


def save(folder: Path, state: Mapping[str, Any], *, epoch: int) -> None:
    """Write what an epoch has reached, whole or not at all; older ones but the last are removed.

    A checkpoint that cannot be written is told and done without: the model is worth more.
    """
    path = folder / f"epoch-{epoch:04d}.pt"
    unfinished = path.with_suffix(".unfinished")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        torch.save(dict(state), unfinished)
        unfinished.replace(path)
        for old in _newest_first(folder)[_KEPT:]:
            old.unlink()
    except (OSError, RuntimeError) as error:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)
        print(f"warning: {path} could not be written, training goes on: {error}", flush=True)


def latest(folder: Path, settings: Mapping[str, Any]) -> dict[str, Any] | None:
    """Read the newest checkpoint that can be read; None if there is none.

    Args:
        folder: Of the checkpoints.
        settings: Of this job; those of the checkpoint must be the same.

    Raises:
        BadInputError: The checkpoint is of a job with other settings.
    """
    for path in _newest_first(folder):
        try:
            state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
            found = state["settings"]
        except (
            OSError,
            RuntimeError,
            EOFError,
            KeyError,
            TypeError,
            pickle.UnpicklingError,
        ) as error:
            print(f"warning: {path} cannot be read and is passed over: {error}", flush=True)
            continue
        other = {
            name: found.get(name) for name, value in settings.items() if found.get(name) != value
        }
        if other:
            raise BadInputError(
                f"{path} is a checkpoint of a job with {other}; this one has "
                f"{ {name: settings[name] for name in other} }. Give it a folder of its own on S3"
            )
        return state
    return None


def _newest_first(folder: Path) -> list[Path]:
    return sorted(folder.glob("epoch-*.pt"), reverse=True)
