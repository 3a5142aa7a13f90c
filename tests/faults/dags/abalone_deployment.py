"""The product's DAG of this name, whose failures and alarms are mailed."""

from __future__ import annotations

import os
from pathlib import Path

# Airflow looks into files that have the word "airflow" and the word "dag".
from product import impatient

# Each task reads this file in a process of its own: no other DAG's are mailed.
os.environ["RETRAINING_NOTIFY_MAIL"] = "otto@example.org"

dag = impatient(Path(__file__).stem)
