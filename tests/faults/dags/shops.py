"""Deployment DAGs of model groups, and endpoints, that belong to one test each."""

from __future__ import annotations

# Airflow looks into files that have the word "airflow" and the word "dag".
from product import hurried
from retraining.deployment.dag import deployment_dag

for group in ("endpoint-deleted", "config-deleted", "rejected-meanwhile", "without-a-date"):
    hurried(deployment_dag(group, doc_md=None))
