"""Validate a snapshot, split it, impute, standardise and one-hot encode it, write it all out.

The splits are what XGBoost's built-in algorithm takes: numbers, the label first, no header.
"""

from __future__ import annotations

from features import fit_preprocessor, prepare
from kit.data_report import data_report
from kit.job import processing_job, stopwatch
from kit.preprocessing import preprocessing_arguments, read_and_split, write_preprocessed
from kit.record import describe
from table import TABLE


def main() -> None:
    """Run the job; exit with 1 and a message where the snapshot cannot be used."""
    with processing_job(preprocessing_arguments(__doc__, shares=(0.7, 0.15, 0.15))) as options:
        snapshot, splits = read_and_split(options, TABLE)
        say = stopwatch()
        preprocessor = fit_preprocessor(splits["train"])
        write_preprocessed(
            options.output,
            {name: prepare(preprocessor, split) for name, split in splits.items()},
            preprocessor=preprocessor,
            data=data_report(snapshot.rows, TABLE),
            record=describe(snapshot, splits, options),
            header=False,
        )
        say("fitted the preprocessor and wrote all")


if __name__ == "__main__":
    main()
