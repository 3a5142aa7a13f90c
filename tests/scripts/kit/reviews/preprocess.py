"""Check the reviews and split them."""

from __future__ import annotations

from kit.job import processing_job
from kit.preprocessing import preprocessing_arguments, read_and_split, write_preprocessed
from kit.record import describe
from table import TABLE

with processing_job(preprocessing_arguments(__doc__)) as options:
    snapshot, splits = read_and_split(options, TABLE)
    record = describe(snapshot, splits, options)
    write_preprocessed(options.output, splits, record=record)
