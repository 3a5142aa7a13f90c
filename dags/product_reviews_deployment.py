"""Deploy the newest approved reviews model with Airflow, verify it, and flip back if it is bad."""

from __future__ import annotations

from retraining.deployment.dag import deployment_dag

dag = deployment_dag("product-reviews", doc_md=__doc__)
