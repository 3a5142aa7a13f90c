"""Deploy with Airflow the newest approved model, verify it, and flip back if it is bad."""

from __future__ import annotations

from retraining.deployment.dag import deployment_dag

dag = deployment_dag("tickets", doc_md=__doc__)
