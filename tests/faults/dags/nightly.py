"""The product's DAG with nights that can be backfilled, which the scheduler starts by itself never.

Airflow looks into files that have the word "airflow" and the word "dag".
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from airflow.timetables.interval import CronDataIntervalTimetable
from product import impatient

dag = impatient("california_housing_retraining")
dag.dag_id = Path(__file__).stem
dag.timetable = CronDataIntervalTimetable("0 2 * * *", timezone="UTC")
dag.start_date, dag.end_date = datetime(1999, 1, 1, tzinfo=UTC), datetime(1999, 1, 9, tzinfo=UTC)
