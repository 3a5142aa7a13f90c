"""Deploy the newest approved California housing model with Airflow, verify it, and flip back."""

from __future__ import annotations

from retraining.deployment.dag import deployment_dag

dag = deployment_dag("california-housing", doc_md=__doc__)
