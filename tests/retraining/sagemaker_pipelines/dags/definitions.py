"""An Airflow DAG for each of the definitions of include/pipelines."""

from __future__ import annotations

from retraining.sagemaker_pipelines.compiler import pipeline_dag

for name in ("abalone", "abalone_tuning", "california_housing"):
    pipeline_dag(f"include/pipelines/{name}.json", snapshot="SnapshotDate")
