"""Score the model on the untouched test rows, the way its endpoint will.

The archive is unpacked, its own ``code/entry_point.py`` loads the model and decodes the rows as
text/csv, and what it predicts is judged against the target.
"""

from __future__ import annotations

import os

# Must precede numpy. On more threads sums are rounded in another order, and the same input
# would give other bytes on a machine of another size.
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

from kit.evaluation import Smoke, evaluation_arguments, write_evaluation
from kit.held_out import read_columns
from kit.job import processing_job, stopwatch
from kit.latency import serving_metrics
from kit.model_archive import ENTRY_POINT, answering, load_entry_point, predict, unpacked
from kit.record import NAME, origin, read_record
from kit.regression import check_predictions, check_targets, regression_metrics

TARGET = "MedHouseVal"


def main() -> None:
    """Run the job; exit with 1 and a message where its inputs cannot be used."""
    with (
        processing_job(evaluation_arguments(__doc__)) as options,
        unpacked(options.model, "model.joblib", NAME, ENTRY_POINT) as folder,
    ):
        say = stopwatch()
        module = load_entry_point(folder)
        columns = read_columns(options.test / "test.csv", module.FEATURES, numbers=(TARGET,))
        actual = columns.pop(TARGET)
        check_targets(actual, TARGET)
        rows = [",".join(row) for row in zip(*columns.values(), strict=True)]
        predicted = check_predictions(
            predict(module, folder, "\n".join(rows), content_type="text/csv"), len(rows)
        )
        say(f"predicted {len(rows)} test rows")

        answer = answering(module, folder, content_type="text/csv", accept="text/csv")
        serving = serving_metrics(options.model, rows, answer=answer)
        say("timed single rows")

        bootstrap = {"samples": options.bootstrap_samples, "seed": options.seed}
        report = {
            **regression_metrics(actual, predicted, **bootstrap),
            **serving,
            **origin(read_record(folder), "features", tested=len(rows)),
            "bootstrap": bootstrap,
        }
        say(f"{options.bootstrap_samples} bootstrap samples")
        write_evaluation(
            options.output,
            report,
            actual=actual,
            predicted=predicted,
            smoke=Smoke(rows, predicted.tolist()),
        )


if __name__ == "__main__":
    main()
