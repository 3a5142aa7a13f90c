"""Judge the classifier on the test rows, as its endpoint answers them."""

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
    unpacked(options.model) as folder,
):
    test = read_columns(options.test / "test.csv", ("text", "label"))
    requests = [json.dumps({"text": text}) for text in test["text"]]
    answered = answers(folder, requests, content_type=JSON, accept=JSON)
    labels = {"actual": test["label"], "predicted": [answer["label"] for answer in answered]}
    metrics = classification_metrics(
        **labels, positive="good", samples=options.bootstrap_samples, seed=options.seed
    )
    report = metrics | origin(read_record(options.preprocessor), tested=len(requests))
    smoke = Smoke(requests, answered, content_type=JSON, accept=JSON)
    write_evaluation(options.output, report, **labels, smoke=smoke)
