"""Airflow, its database and the embedded SageMaker, one by one; no pipeline and no data."""
