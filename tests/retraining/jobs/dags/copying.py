"""One job that copies its input, is always waited for by a trigger, and takes earlier results."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG
from retraining.jobs.operators import RetrainingProcessingOperator
from retraining.jobs.requests import input_path, output_path, processing_job

PROGRAM = "import shutil; shutil.copytree({!r}, {!r}, dirs_exist_ok=True)"

with DAG("copying", schedule=None, params={"run": "one"}) as dag:
    config = processing_job(
        image_uri="683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-py312-cpu-py3",
        role_arn="arn:aws:iam::123456789012:role/retraining",
        instance_type="ml.m5.large",
        code_uri="s3://copying/p/code/1/",
        script="",
        arguments=[],
        inputs={"from": "s3://copying/p/runs/2026-11-20/landed/"},
        outputs={"to": "s3://copying/p/runs/2026-11-20/{{ params.run }}/to/"},
    )
    program = PROGRAM.format(input_path("from"), output_path("to"))
    config["AppSpecification"]["ContainerEntrypoint"] = ["python3", "-c", program]
    RetrainingProcessingOperator(
        task_id="copy",
        config=config,
        pipeline="p",
        reuse="{{ dag_run.clear_number }}",
        deferrable=True,
        defer_after=timedelta(),
    )
