"""Predict a flat's rent with Airflow from its size; register the model where r2 ≥ 0.9."""

from __future__ import annotations

from airflow.sdk import DAG
from retraining import GreaterThanOrEqualTo, Image, Metric, Pipeline, dag_defaults, params, steps

R2 = Metric("regression_metrics.r2_score")
PIPELINE = Pipeline(
    name="flat-rents",
    description="Rent of a flat",
    image=Image("sklearn", "1.4-2-py312"),
    policy=(GreaterThanOrEqualTo(R2, 0.9),),
    headline=R2,
    better="higher",
)

with DAG(
    dag_id="flat_rents_retraining",
    schedule=None,
    doc_md=__doc__,
    params=params.retraining(ask_for_approval=None, when_rejected=None),
    **dag_defaults.retraining(PIPELINE),
) as dag:
    run = steps.resolve_run(PIPELINE)
    preprocess = steps.processing(
        run,
        "preprocess.py",
        inputs={"snapshot": run.snapshot_uri},
        outputs=("train", "test", "preprocessor"),
    )
    train = steps.training(run, "train.py", channels=preprocess.only("train"))
    evaluate = steps.processing(
        run,
        "evaluate.py",
        inputs={"model": train.model_uri, **preprocess.only("test", "preprocessor")},
        outputs=("evaluation",),
    )
    check = steps.check_quality(
        run, passed=steps.register_model(run, train), rejected=steps.skip_registration(run)
    )
    run >> preprocess >> train >> evaluate >> check
