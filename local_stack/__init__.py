"""The whole place on one machine: Airflow, its database and the embedded SageMaker."""
