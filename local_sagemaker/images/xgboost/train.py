"""Trains XGBoost as a built-in algorithm, by the contract of SageMaker's container.

A program of the image's environment, started for a training job that names no script. What it does
and says is what aws/sagemaker-xgboost-container does in its algorithm mode (train.py at d49a4c3).
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import tempfile
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xgboost
from channels import check_channels, content_form, read_channel, what_failed
from checkpoints import SaveCheckpoint, checkpoint_folder, last_checkpoint
from hyperparameters import MAXIMIZED, OWN_METRICS, UserError, validated

if TYPE_CHECKING:
    from collections.abc import Mapping

_MODEL = "xgboost-model"
# What only other machines can do.
_NOT_EMULATED = {"_kfold": None, "_num_cv_round": None, "use_dask_gpu_training": "true"}

log = logging.getLogger(__name__)


class _PrintRound(xgboost.callback.TrainingCallback):
    """Prints a round's metrics as CloudWatch Logs shows the container's: tabs as #011."""

    def __init__(self, begin: int) -> None:
        super().__init__()
        self._begin = begin

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        del model
        scores = (
            f"#011{channel}-{metric}:{history[-1]:.5f}"
            for channel, metrics in evals_log.items()
            for metric, history in metrics.items()
        )
        print(f"[{self._begin + epoch}]{''.join(scores)}", flush=True)
        return False


class _SaveRound(xgboost.callback.TrainingCallback):
    """Keeps the model of the last round where the model belongs, for a job that is stopped."""

    def __init__(self, model: Path) -> None:
        super().__init__()
        self._model = model

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        del epoch, evals_log
        unfinished = Path(tempfile.gettempdir(), self._model.name)
        model.save_model(unfinished)
        unfinished.replace(self._model)
        return False


def main() -> int:
    """Train the model; return the exit code."""
    logging.basicConfig(
        level=logging.INFO,
        format="[%(asctime)s:%(levelname)s] %(message)s",
        datefmt="%Y-%m-%d:%H:%M:%S",
    )
    root = Path(os.environ["SAGEMAKER_BASE_DIR"])
    log.info("Running XGBoost Sagemaker in algorithm mode")
    try:
        _train(root)
    except UserError as error:
        # The container puts a traceback between the two, which takes all the room that a
        # FailureReason has.
        failure = f"framework error: \n{error}"
    except Exception as error:  # as the container's toolkit
        failure = f"framework error: \n{traceback.format_exc()}\n{error}"
    else:
        return 0
    (root / "output" / "failure").write_text(failure, encoding="utf-8")
    log.error("Reporting training FAILURE")
    log.error("%s", failure)
    return 1


def _train(root: Path) -> None:
    config = root / "input" / "config"
    values = validated(json.loads((config / "hyperparameters.json").read_text(encoding="utf-8")))
    for name, needs in _NOT_EMULATED.items():
        if name in values and needs in (None, values[name]):
            raise UserError(f"Hyperparameter {name} is not emulated by the embedded SageMaker.")
    hosts = json.loads((config / "resourceconfig.json").read_text(encoding="utf-8"))["hosts"]
    if len(hosts) > 1:
        raise UserError("Several instances are not emulated by the embedded SageMaker; use one.")
    channels = json.loads((config / "inputdataconfig.json").read_text(encoding="utf-8"))
    check_channels(channels)
    form = content_form(channels["train"].get("ContentType"))
    if "validation" in channels:
        content_form(channels["validation"].get("ContentType"))
    weighted = values.pop("csv_weights", 0) == 1
    matrices = {}
    for channel in ("train", "validation"):
        if channel not in channels:
            continue
        folder = root / "input" / "data" / channel
        matrix = read_channel(folder, form=form, weighted=weighted)
        if matrix is None:
            noun = "training" if channel == "train" else channel
            raise UserError(f"No data in {noun} channel path /opt/ml/input/data/{channel}")
        matrices[channel] = matrix
    log.info("Single node training.")
    log.info(
        "Train matrix has %d rows and %d columns",
        matrices["train"].num_row(),
        matrices["train"].num_col(),
    )
    if "validation" in matrices:
        log.info("Validation matrix has %d rows", matrices["validation"].num_row())
    model = root / "model" / _MODEL
    kept = checkpoint_folder(root)
    _boost(values, matrices, model=model, kept=kept).save_model(model)


def _boost(
    values: dict[str, Any], matrices: Mapping[str, Any], *, model: Path, kept: Path | None
) -> Any:
    checkpoint, begin = last_checkpoint(kept) if kept else (None, 0)
    rounds = values.pop("num_round") - begin
    patience = values.pop("early_stopping_rounds", None)
    values.pop("use_dask_gpu_training", None)
    asked = list(values.pop("eval_metric", ()))
    tuned = values.pop("_tuning_objective_metric", "").partition(":")[2]
    asked += [tuned] if tuned and tuned not in asked else []
    own = [name for name in asked if name in OWN_METRICS]
    if xgboosts := [name for name in asked if name not in OWN_METRICS]:
        values["eval_metric"] = xgboosts
    if "updater" in values:
        values["updater"] = ",".join(values["updater"])
    callbacks: list[xgboost.callback.TrainingCallback] = [_PrintRound(begin)]
    if kept:
        callbacks.append(SaveCheckpoint(kept, begin=begin))
    if values.pop("save_model_on_termination", "false") == "true":
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
        callbacks.append(_SaveRound(model))
    judge = tuned or (asked[-1] if asked else "")
    if patience and judge and "validation" in matrices:
        callbacks.append(
            xgboost.callback.EarlyStopping(
                rounds=patience,
                data_name="validation",
                metric_name=judge,
                maximize=judge in MAXIMIZED,
                save_best=True,
            )
        )
    custom = {}
    if own:
        import metrics  # noqa: PLC0415 -- scikit-learn takes its time, and is seldom needed

        custom["custom_metric"] = metrics.evaluation(own, objective=values.get("objective", ""))
    try:
        return xgboost.train(
            values,
            matrices["train"],
            num_boost_round=rounds,
            evals=[(matrix, channel) for channel, matrix in matrices.items()],
            callbacks=callbacks,
            verbose_eval=False,
            xgb_model=checkpoint,
            **custom,
        )
    except (xgboost.core.XGBoostError, ValueError, TypeError) as error:
        raise UserError(f"XGB train call failed with exception:\n {what_failed(error)}") from error


if __name__ == "__main__":
    sys.exit(main())
