"""Judge the line on the test rows, as its endpoint answers them."""

from __future__ import annotations

from kit.evaluation import Smoke, evaluation_arguments, write_evaluation
from kit.held_out import read_columns
from kit.job import processing_job
from kit.model_archive import answers, unpacked
from kit.record import origin, read_record
from kit.regression import check_predictions, check_targets, regression_metrics

CSV = "text/csv"

with (
    processing_job(evaluation_arguments(__doc__, preprocessor=True)) as options,
    unpacked(options.model) as folder,
):
    test = read_columns(options.test / "test.csv", ("area",), numbers=("rent",))
    check_targets(test["rent"], "rent")
    answered = answers(folder, test["area"], content_type=CSV, accept=CSV)
    predicted = check_predictions(answered, len(answered))
    metrics = regression_metrics(
        test["rent"], predicted, samples=options.bootstrap_samples, seed=options.seed
    )
    report = metrics | origin(read_record(options.preprocessor), tested=len(answered))
    smoke = Smoke(test["area"], answered)
    write_evaluation(options.output, report, actual=test["rent"], predicted=predicted, smoke=smoke)
