"""Score the model on the untouched test rows, the way its endpoint will.

The archive is unpacked, its own ``code/entry_point.py`` loads the model and decodes the rows as
text/csv, and what it predicts is judged against the target.
"""

from __future__ import annotations

import os
from functools import partial

# Must precede numpy. On more threads sums are rounded in another order, and the same input
# would give other bytes on a machine of another size.
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

from kit.champion import Contest, against_champion
from kit.evaluation import Smoke, evaluation_arguments, write_evaluation
from kit.held_out import read_columns
from kit.job import processing_job, stopwatch
from kit.latency import serving_metrics
from kit.model_archive import ENTRY_POINT, answering, load_entry_point, predict, unpacked
from kit.record import NAME, origin, read_record
from kit.regression import (
    check_predictions,
    check_targets,
    regression_difference,
    regression_metrics,
)
from table import TABLE


def main() -> None:
    """Run the job; exit with 1 and a message where its inputs cannot be used."""
    with (
        processing_job(evaluation_arguments(__doc__)) as options,
        unpacked(options.model, "model.joblib", NAME, ENTRY_POINT) as folder,
    ):
        say = stopwatch()
        module = load_entry_point(folder)
        # The champion may want columns that the candidate does not.
        names = dict.fromkeys([*module.FEATURES, *TABLE.features])
        columns = read_columns(options.test / "test.csv", [*names], numbers=(TABLE.target,))
        actual = columns.pop(TABLE.target)
        check_targets(actual, TABLE.target)
        rows = [
            ",".join(row) for row in zip(*(columns[name] for name in module.FEATURES), strict=True)
        ]
        predicted = check_predictions(
            predict(module, folder, "\n".join(rows), content_type="text/csv"), len(rows)
        )
        say(f"predicted {len(rows)} test rows")

        answer = answering(module, folder, content_type="text/csv", accept="text/csv")
        serving = serving_metrics(options.model, rows, answer=answer)
        say("timed single rows")

        bootstrap = {"samples": options.bootstrap_samples, "seed": options.seed}
        measure = partial(regression_metrics, **bootstrap)
        record = read_record(folder)
        contest = Contest(
            rows={"columns": columns},
            columns=columns,
            actual=actual,
            predicted=predicted,
            measure=measure,
            compare=partial(regression_difference, **bootstrap),
            check=partial(check_predictions, rows=len(rows)),
        )
        report = {
            **measure(actual, predicted),
            **serving,
            **origin(record, "features", tested=len(rows)),
            "bootstrap": bootstrap,
            **against_champion(options, contest, record=record),
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
