"""Find the desk that a ticket is for; register a model with **accuracy ≥ 0.8**, fail on others."""

from __future__ import annotations

from airflow.sdk import DAG
from retraining import (
    GreaterThanOrEqualTo,
    Image,
    Metric,
    Parameter,
    Pipeline,
    dag_defaults,
    params,
    steps,
)

ACCURACY = Metric("multiclass_classification_metrics.accuracy")
PIPELINE = Pipeline(
    name="tickets",
    description="The desk that a ticket is for",
    image=Image("sklearn", "1.4-2-py312"),
    policy=(GreaterThanOrEqualTo(ACCURACY, Parameter("least_accuracy")),),
    headline=ACCURACY,
    better="higher",
    content_types=("application/json",),
    response_types=("application/json",),
    plots=("confusion_matrix",),
)
PARAMETERS = {
    **params.retraining(ask_for_approval=None, when_rejected=None),
    "least_accuracy": params.threshold(0.8, title="Least accuracy"),
}

with DAG(
    dag_id="tickets_retraining",
    schedule="0 4 * * *",
    doc_md=__doc__ + params.table(PARAMETERS),
    params=PARAMETERS,
    **dag_defaults.retraining(PIPELINE),
) as dag:
    run = steps.resolve_run(PIPELINE)
    preprocess = steps.processing(
        run, "preprocess.py",
        inputs={"snapshot": run.snapshot_uri}, outputs=("train", "test", "preprocessor"),
    )  # fmt: skip
    train = steps.training(run, "train.py", channels=preprocess.only("train"))
    evaluate = steps.processing(
        run, "evaluate.py",
        inputs={"model": train.model_uri, **preprocess.only("test", "preprocessor")},
        outputs=("evaluation",),
    )  # fmt: skip
    register, reject = steps.register_model(run, train), steps.reject_model(run)
    check = steps.check_quality(run, passed=register, rejected=reject)

    run >> preprocess >> train >> evaluate >> check
