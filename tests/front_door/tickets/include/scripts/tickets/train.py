"""Fit a classifier of word counts."""

from __future__ import annotations

from pathlib import Path

from kit.csv_table import read_split
from kit.job import training_job
from kit.training import save_model, training_arguments
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from table import TABLE

with training_job(training_arguments(__doc__)) as options:
    rows = read_split(options.train / "train.csv", TABLE)
    model = make_pipeline(CountVectorizer(), LogisticRegression())
    model.fit(rows["wording"], rows["desk"])
    save_model(options.model_dir, model, entry_point=Path(__file__).with_name("entry_point.py"))
