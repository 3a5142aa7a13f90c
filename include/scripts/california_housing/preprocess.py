"""Validate a snapshot, split it, fit the feature set on the train split, write it all out.

The splits are raw rows with a header: what is fitted travels in ``preprocessor.joblib``.
"""

from __future__ import annotations

from features import FEATURE_SETS, fit_preprocessor
from kit.data_report import data_report
from kit.job import processing_job, stopwatch
from kit.preprocessing import preprocessing_arguments, read_and_split, write_preprocessed
from kit.record import describe
from table import TABLE


def main() -> None:
    """Run the job; exit with 1 and a message where the snapshot cannot be used."""
    parser = preprocessing_arguments(__doc__)
    parser.add_argument("--features", choices=FEATURE_SETS, default="engineered")
    with processing_job(parser) as options:
        snapshot, splits = read_and_split(options, TABLE)
        say = stopwatch()
        write_preprocessed(
            options.output,
            splits,
            preprocessor=fit_preprocessor(options.features, splits["train"][TABLE.features]),
            data=data_report(snapshot.rows, TABLE),
            record={
                "features": options.features,
                **describe(snapshot, splits, options),
            },
        )
        say(f"fitted the {options.features} features and wrote all")


if __name__ == "__main__":
    main()
