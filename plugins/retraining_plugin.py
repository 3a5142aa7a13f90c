"""Tells Airflow of the plugin where the library lies in this folder and is not installed."""

from retraining.plugin.airflow_plugin import RetrainingPlugin

__all__ = ["RetrainingPlugin"]
