"""Deploy the newest approved model of rents with Airflow."""

from __future__ import annotations

from retraining.deployment.dag import deployment_dag

dag = deployment_dag("flat-rents", doc_md=__doc__)
