"""Deploy the newest approved abalone model with Airflow, verify it, and flip back if it is bad."""

from __future__ import annotations

from retraining.deployment.dag import deployment_dag

dag = deployment_dag("abalone", doc_md=__doc__)
