"""Buttons on a task: its job, its log, the report, the decision, the version, the endpoint.

On AWS they lead into the console. On the embedded SageMaker, which has none, they lead to the page
"Model quality", which shows the same.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperatorLink

from retraining.web import addresses

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey


class _Link(BaseOperatorLink):
    """A button that the API server asks for, on each task of the classes that have it."""

    @property
    def operators(self) -> list[type[BaseOperator]]:  # type: ignore[override] # known only there
        """The classes of tasks that have it."""
        return _linked_operators()

    def get_link(self, operator: Any, *, ti_key: TaskInstanceKey) -> str:  # noqa: ARG002
        """Return the address; "" hides the button."""
        from retraining.web import task_links  # noqa: PLC0415 - needs Airflow's database

        return task_links.link(self.name, ti_key) or ""


class JobLink(_Link):
    """The task's SageMaker job."""

    name = addresses.JOB


class LogLink(_Link):
    """The log of the task's SageMaker job."""

    name = addresses.LOG


class ReportLink(_Link):
    """The run's evaluation report."""

    name = addresses.REPORT


class DecisionLink(_Link):
    """The run's decision record."""

    name = addresses.DECISION


class VersionLink(_Link):
    """The version that the task registered or deployed."""

    name = addresses.VERSION


class EndpointLink(_Link):
    """The endpoint that the task deployed to, or may deploy to."""

    name = addresses.ENDPOINT


@functools.cache
def _linked_operators() -> list[type[BaseOperator]]:
    # Heavy, and only the API server asks.
    from retraining.approval.operators import AskForApprovalOperator, RegisterModelOperator  # noqa: PLC0415
    from retraining.deployment.operators import DeployVersionOperator, FlipBackOperator  # noqa: PLC0415
    from retraining.jobs.operators import RetrainingProcessingOperator, RetrainingTrainingOperator  # noqa: PLC0415
    from retraining.python_tasks import PipelineBranch, PipelineTask  # noqa: PLC0415
    from retraining.runs.operators import ResolveRunOperator  # noqa: PLC0415
    from retraining.sagemaker_pipelines.operators import OPERATORS  # noqa: PLC0415

    return [
        ResolveRunOperator,
        RetrainingProcessingOperator,
        RetrainingTrainingOperator,
        PipelineTask,
        PipelineBranch,
        RegisterModelOperator,
        AskForApprovalOperator,
        DeployVersionOperator,
        FlipBackOperator,
        *OPERATORS.values(),
    ]


LINKS = (JobLink(), LogLink(), ReportLink(), DecisionLink(), VersionLink(), EndpointLink())
