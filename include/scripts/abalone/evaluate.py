"""Score the XGBoost model on the untouched test rows, in XGBoost's own image."""

from __future__ import annotations

import os
from functools import partial

# Must precede numpy. On more threads sums are rounded in another order, and the same input
# would give other bytes on a machine of another size.
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

import boosted
from kit.champion import Contest, against_champion
from kit.csv_table import read_split
from kit.evaluation import Smoke, evaluation_arguments, write_evaluation
from kit.job import processing_job, stopwatch
from kit.latency import serving_metrics
from kit.model_archive import unpacked
from kit.record import origin, read_record
from kit.regression import (
    check_predictions,
    check_targets,
    regression_difference,
    regression_metrics,
)
from table import PREPARED


def main() -> None:
    """Run the job; exit with 1 and a message where its inputs cannot be used."""
    with (
        processing_job(evaluation_arguments(__doc__, preprocessor=True)) as options,
        unpacked(options.model, boosted.MODEL, writer="XGBoost's image") as folder,
    ):
        say = stopwatch()
        record = read_record(options.preprocessor)
        test = read_split(options.test / "test.csv", PREPARED)
        actual = test.pop(PREPARED.target).to_numpy()
        check_targets(actual, PREPARED.target)
        rows = test.to_numpy()
        check = partial(check_predictions, rows=len(rows), first_row=1)
        booster = boosted.load(folder)
        predicted = check(boosted.predict(booster, rows))
        say(f"predicted {len(rows)} test rows")

        serving = serving_metrics(
            options.model, rows, answer=lambda row: boosted.predict(booster, row[None])
        )
        say("timed single rows")

        bootstrap = {"samples": options.bootstrap_samples, "seed": options.seed}
        measure = partial(regression_metrics, **bootstrap)
        contest = Contest(
            rows={"rows": rows.tolist()},
            columns=test,
            actual=actual,
            predicted=predicted,
            measure=measure,
            compare=partial(regression_difference, **bootstrap),
            check=check,
            module="boosted",
        )
        report = {
            **measure(actual, predicted),
            **serving,
            **origin(record, tested=len(rows)),
            "bootstrap": bootstrap,
            **against_champion(options, contest, record=record),
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
