"""An Airflow DAG for each of the definitions beside this folder."""

from __future__ import annotations

from pathlib import Path

from retraining.sagemaker_pipelines.compiler import pipeline_dag

for file in sorted(Path(__file__).parents[1].joinpath("definitions").glob("*.json")):
    pipeline_dag(file)
