"""Score the model on the untouched test rows, as its endpoint will answer them."""

from __future__ import annotations

import json

from kit.classification import classification_metrics
from kit.evaluation import Smoke, evaluation_arguments, write_evaluation
from kit.held_out import read_columns
from kit.job import processing_job
from kit.model_archive import answers, unpacked
from kit.record import origin, read_record

JSON = "application/json"

with (
    processing_job(evaluation_arguments(__doc__, preprocessor=True)) as options,
    unpacked(options.model, "model.joblib") as folder,
):
    test = read_columns(options.test / "test.csv", ("wording", "desk"))
    requests = [json.dumps({"wording": wording}) for wording in test["wording"]]
    answered = answers(folder, requests, content_type=JSON, accept=JSON)
    desks = {"actual": test["desk"], "predicted": [answer["desk"] for answer in answered]}
    metrics = classification_metrics(**desks, samples=options.bootstrap_samples, seed=options.seed)
    report = metrics | origin(read_record(options.preprocessor), tested=len(requests))
    smoke = Smoke(requests, answered, content_type=JSON, accept=JSON)
    write_evaluation(options.output, report, **desks, smoke=smoke)
