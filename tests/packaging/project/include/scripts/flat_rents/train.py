"""Fit a line."""

from __future__ import annotations

from pathlib import Path

from kit.csv_table import read_split
from kit.job import training_job
from kit.training import save_model, training_arguments
from sklearn.linear_model import LinearRegression
from table import TABLE

with training_job(training_arguments(__doc__)) as options:
    train = read_split(options.train / "train.csv", TABLE)
    model = LinearRegression().fit(train[TABLE.features].to_numpy(), train[TABLE.target].to_numpy())
    save_model(options.model_dir, model, entry_point=Path(__file__).with_name("entry_point.py"))
