"""The product's DAG of this name."""

from __future__ import annotations

from pathlib import Path

# Airflow looks into files that have the word "airflow" and the word "dag".
from product import impatient

dag = impatient(Path(__file__).stem)
