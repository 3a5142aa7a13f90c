"""Score the XGBoost model on the untouched test rows, in XGBoost's own image."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Any

# Must precede numpy. On more threads sums are rounded in another order, and the same input
# would give other bytes on a machine of another size.
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

import xgboost
from kit.csv_table import read_split
from kit.evaluation import Smoke, evaluation_arguments, write_evaluation
from kit.failure import BadInputError
from kit.job import processing_job, stopwatch
from kit.latency import serving_metrics
from kit.model_archive import unpacked
from kit.record import origin, read_record
from kit.regression import check_predictions, check_targets, regression_metrics
from table import PREPARED

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

MODEL = "xgboost-model"


@cache
def _loaded(path: Path) -> xgboost.Booster:
    return xgboost.Booster(model_file=path)


def predict(path: Path, rows: np.ndarray) -> Any:
    """Predict as the image's server does.

    Args:
        path: The model, in XGBoost's own format. It is never unpickled.
        rows: Features, float64, in the order that it was trained on.

    Raises:
        BadInputError: It is no such model, or one of other features.
    """
    try:
        booster = _loaded(path)
        features = booster.num_features()
    except (xgboost.core.XGBoostError, ValueError) as error:
        # The rest is a stack trace of its C++ code.
        reason = str(error).strip().partition("\n")[0]
        raise BadInputError(
            f"{path.name}: XGBoost {xgboost.__version__} cannot load it: {reason}"
        ) from error
    if features != rows.shape[1]:
        raise BadInputError(
            f"{path.name}: it was trained on {features} features, test.csv has {rows.shape[1]}"
        )
    # Where training stopped early, the server leaves out the rounds after the best one.
    best = booster.attr("best_iteration")
    rounds = (0, int(best) + 1) if best else (0, 0)
    return booster.predict(xgboost.DMatrix(rows), iteration_range=rounds)


def main() -> None:
    """Run the job; exit with 1 and a message where its inputs cannot be used."""
    with (
        processing_job(evaluation_arguments(__doc__, preprocessor=True)) as options,
        unpacked(options.model, MODEL, writer="XGBoost's image") as folder,
    ):
        say = stopwatch()
        record = read_record(options.preprocessor)
        test = read_split(options.test / "test.csv", PREPARED)
        actual = test.pop(PREPARED.target).to_numpy()
        check_targets(actual, PREPARED.target)
        rows = test.to_numpy()
        predicted = check_predictions(predict(folder / MODEL, rows), len(rows), first_row=1)
        say(f"predicted {len(rows)} test rows")

        model = folder / MODEL
        serving = serving_metrics(options.model, rows, answer=lambda row: predict(model, row[None]))
        say("timed single rows")

        bootstrap = {"samples": options.bootstrap_samples, "seed": options.seed}
        report = {
            **regression_metrics(actual, predicted, **bootstrap),
            **serving,
            **origin(record, tested=len(rows)),
            "bootstrap": bootstrap,
        }
        say(f"{options.bootstrap_samples} bootstrap samples")
        write_evaluation(
            options.output,
            report,
            actual=actual,
            predicted=predicted,
            smoke=Smoke([",".join(map(repr, row)) for row in rows.tolist()], predicted.tolist()),
        )


if __name__ == "__main__":
    main()
