"""As many tasks as a night has, and nothing in them: what Airflow itself costs."""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.sdk import DAG, chain, task

TASKS = 8

with DAG(
    "empty_tasks", schedule="0 6 * * *", start_date=datetime(2024, 1, 1, tzinfo=UTC), catchup=False
):

    @task
    def nothing() -> None:
        """Do nothing."""

    chain(*(nothing.override(task_id=f"task_{number}")() for number in range(TASKS)))
