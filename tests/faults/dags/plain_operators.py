"""The same DAG with the provider's own operators, as its documentation has them."""

from __future__ import annotations

from datetime import timedelta

from airflow.providers.amazon.aws.operators.sagemaker import (
    SageMakerProcessingOperator,
    SageMakerRegisterModelVersionOperator,
    SageMakerTrainingOperator,
)
from airflow.providers.standard.operators.python import BranchPythonOperator, PythonOperator
from airflow.sdk import DAG, Param
from retraining.gate.conditions import GreaterThanOrEqualTo, Metric, Parameter
from retraining.jobs.requests import input_path, output_path, processing_job, training_job
from retraining.naming import output_uri
from retraining.pipeline import Image, Pipeline
from retraining.runs import tasks
from retraining.runs.operators import ResolveRunOperator

R2 = Metric("regression_metrics.r2_score")
PIPELINE = Pipeline(
    name="california-housing",
    description="What the provider's operators make of it",
    image=Image("sklearn", "1.4-2-py312"),
    policy=(GreaterThanOrEqualTo(R2, Parameter("r2_threshold")),),
    headline=R2,
    better="higher",
)
# The provider's default is 60 looks, one in 30 s. These are as many minutes, at a test's pace.
WAITING = {"deferrable": True, "check_interval": 1, "max_attempts": 1800}

with DAG(
    dag_id="plain_operators",
    schedule=None,
    max_active_runs=16,
    default_args={"retries": 4, "retry_delay": timedelta(seconds=1)},
    params={
        "snapshot": Param(None, type=["null", "string"]),
        "r2_threshold": 0.6,
        "instance_type": "ml.m5.large",
        "when_rejected": "skip",
        "reuse_steps": "never",
    },
) as dag:
    resolve_run = ResolveRunOperator(
        task_id="resolve_run", pipeline=PIPELINE, patience=timedelta(hours=20)
    )
    run = {
        name: f"{{{{ ti.xcom_pull('resolve_run')['{name}'] }}}}"
        for name in ("snapshot", "snapshot_uri", "code_uri", "image_uri", "role_arn", "run_uri")
    }
    job = {
        "image_uri": run["image_uri"],
        "role_arn": run["role_arn"],
        "code_uri": run["code_uri"],
        "instance_type": "{{ params.instance_type }}",
    }
    model_uri = "{{ ti.xcom_pull('train')['Training']['ModelArtifacts']['S3ModelArtifacts'] }}"

    preprocess = SageMakerProcessingOperator(
        task_id="preprocess",
        config={
            "ProcessingJobName": f"plain-preprocess-{run['snapshot']}",
            **processing_job(
                **job,
                script="preprocess.py",
                arguments=["--snapshot", input_path("snapshot"), "--output", output_path()],
                inputs={"snapshot": run["snapshot_uri"]},
                outputs={
                    name: output_uri(run["run_uri"], name)
                    for name in ("train", "validation", "test", "preprocessor")
                },
            ),
        },
        **WAITING,
    )
    train = SageMakerTrainingOperator(
        task_id="train",
        config={
            "TrainingJobName": f"plain-train-{run['snapshot']}",
            **training_job(
                **job,
                script="train.py",
                hyperparameters={},
                channels={
                    name: output_uri(run["run_uri"], name) for name in ("train", "preprocessor")
                },
                output_uri=output_uri(run["run_uri"], "model"),
                metrics={},
            ),
        },
        **WAITING,
    )
    evaluate = SageMakerProcessingOperator(
        task_id="evaluate",
        config={
            "ProcessingJobName": f"plain-evaluate-{run['snapshot']}",
            **processing_job(
                **job,
                script="evaluate.py",
                arguments=["--test", input_path("test"), "--output", output_path("evaluation")],
                inputs={"model": model_uri, "test": output_uri(run["run_uri"], "test")},
                outputs={"evaluation": output_uri(run["run_uri"], "evaluation")},
            ),
        },
        **WAITING,
    )
    check_quality = BranchPythonOperator(
        task_id="check_quality",
        python_callable=tasks.check_quality,
        op_kwargs={
            "pipeline": PIPELINE,
            "run": run,
            "passed": "register_model",
            "rejected": "skip_registration",
        },
    )
    register_model = SageMakerRegisterModelVersionOperator(
        task_id="register_model",
        image_uri=run["image_uri"],
        model_url=model_uri,
        package_group_name="plain-operators",
        package_desc="registered by the provider's operator",
    )
    skip_registration = PythonOperator(
        task_id="skip_registration",
        python_callable=tasks.skip_registration,
        op_kwargs={"run": run},
    )

    resolve_run >> preprocess >> train >> evaluate >> check_quality
    check_quality >> [register_model, skip_registration]
