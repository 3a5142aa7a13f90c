"""A model a round in the folder of the checkpoints, and the round to go on from.

As the container does it (checkpointing.py at 01125a9 of aws/sagemaker-xgboost-container): files
`xgboost-checkpoint.<round>`, of which the last five are kept.
"""

from __future__ import annotations

import json
import logging
import re
from typing import TYPE_CHECKING, Any

import xgboost

if TYPE_CHECKING:
    from pathlib import Path

_NAME = re.compile(r"xgboost-checkpoint\.([0-9]+)")
_KEPT = 5
# The service leaves files with this end alone.
_UNFINISHED = "xgboost-checkpoint.sagemaker-ignore"

log = logging.getLogger(__name__)


def checkpoint_folder(root: Path) -> Path | None:
    """Return where a job's checkpoints are; None if it keeps none.

    Args:
        root: What stands for /opt/ml.
    """
    config = root / "input" / "config" / "checkpointconfig.json"
    if not config.is_file():
        return None
    local = str(json.loads(config.read_text(encoding="utf-8"))["LocalPath"])
    return root / local.removeprefix(f"{root}/").removeprefix("/opt/ml/")


def last_checkpoint(folder: Path) -> tuple[Path | None, int]:
    """Return the newest checkpoint that can be loaded, and the round that comes after it."""
    for number, file in sorted(_checkpoints(folder), reverse=True):
        try:
            xgboost.Booster().load_model(file)
        except xgboost.core.XGBoostError:
            log.info("Wrong checkpoint model format %s", file.name)
            continue
        log.info("Checkpoint loaded from %s", file)
        log.info("Resuming from iteration %s", number + 1)
        return file, number + 1
    return None, 0


class SaveCheckpoint(xgboost.callback.TrainingCallback):
    """Saves the model of each round."""

    def __init__(self, folder: Path, *, begin: int) -> None:
        super().__init__()
        self._folder, self._begin = folder, begin

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        """Save the model; the rounds of this training count from 0."""
        del evals_log
        unfinished = self._folder / _UNFINISHED
        model.save_model(unfinished)
        unfinished.replace(self._folder / f"xgboost-checkpoint.{self._begin + epoch}")
        for _, file in sorted(_checkpoints(self._folder))[:-_KEPT]:
            file.unlink()
        return False


def _checkpoints(folder: Path) -> list[tuple[int, Path]]:
    found = ((_NAME.fullmatch(file.name), file) for file in folder.iterdir())
    return [(int(name[1]), file) for name, file in found if name]
