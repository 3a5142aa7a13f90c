"""Airflow's own Python tasks under a name of this library's, which begin only with all they need.

Airflow gives buttons to a task by its class: under their own names these would put an empty
heading "Extra Links" on every Python task of every other DAG.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.python import BranchPythonOperator, PythonOperator
from airflow.sdk.exceptions import AirflowFailException

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.sdk import Context


class PipelineTask(PythonOperator):
    """A Python task of a DAG that retrains or deploys a model."""

    def execute(self, context: Context) -> Any:
        """Call it.

        Raises:
            AirflowFailException: A task before it left no result.
        """
        _check_results(self.op_kwargs)
        return super().execute(context)


class PipelineBranch(BranchPythonOperator):
    """A Python task of such a DAG that chooses how to go on."""

    def execute(self, context: Context) -> Any:
        """Choose.

        Raises:
            AirflowFailException: A task before it left no result.
        """
        _check_results(self.op_kwargs)
        return super().execute(context)


def _check_results(arguments: Mapping[str, Any]) -> None:
    # Airflow hands over None in place of what is not there.
    missing = [name for name, value in arguments.items() if value is None]
    if missing:
        raise AirflowFailException(
            f"a task before this one left no result ({', '.join(missing)}): if it was marked as"
            " success by hand, clear it"
        )
