"""Airflow's own Python tasks under a name of this library's.

Airflow gives buttons to a task by its class: under their own names these would put an empty
heading "Extra Links" on every Python task of every other DAG.
"""

from __future__ import annotations

from airflow.providers.standard.operators.python import BranchPythonOperator, PythonOperator


class PipelineTask(PythonOperator):
    """A Python task of a DAG that retrains or deploys a model."""


class PipelineBranch(BranchPythonOperator):
    """A Python task of such a DAG that chooses how to go on."""
