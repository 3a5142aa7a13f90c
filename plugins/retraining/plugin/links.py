"""Buttons on a task: its job, its log, the report, the decision, the version, the endpoint.

On AWS they lead into the console. On the embedded SageMaker, which has none, they lead to the page
"Model quality", which shows the same.
"""

from __future__ import annotations

import functools
import os
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from airflow.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey

PAGE = "/model-quality/"
_JOB = re.compile(r"arn:aws[a-z-]*:sagemaker:([a-z0-9-]+):\d{12}:(processing|training)-job/(\S+)")
_PACKAGE = re.compile(r"arn:aws[a-z-]*:sagemaker:([a-z0-9-]+):\d{12}:model-package/([\w-]+)/(\d+)")
_ENDPOINT_VARIABLES = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SAGEMAKER")


def is_embedded() -> bool:
    """Say whether SageMaker is at an address of this deployment's own, where no console is."""
    return any(os.environ.get(name) for name in _ENDPOINT_VARIABLES)


def console_links(jobs: Mapping[str, str], *, arn: str, endpoint: str) -> dict[str, Any]:
    """Return the console's addresses of what a run made; nothing on the embedded SageMaker.

    Args:
        jobs: The ARN of each step's job.
        arn: Of the registered version; "" if there is none.
        endpoint: The endpoint's name.

    Returns:
        ``jobs`` and ``logs`` by step, and ``endpoint`` where the region is known.
    """
    if is_embedded():
        return {"jobs": {}, "logs": {}, "endpoint": None}
    package = _PACKAGE.fullmatch(arn)
    return {
        "jobs": {step: url for step, job in jobs.items() if (url := job_url(job))},
        "logs": {step: url for step, job in jobs.items() if (url := log_url(job))},
        "endpoint": endpoint_url(package[1], endpoint) if package else None,
    }


def job_url(arn: str) -> str | None:
    """Return the console's address of a job; None if this is no job's ARN."""
    match = _JOB.fullmatch(arn)
    if match is None:
        return None
    folder = {"processing": "processing-jobs", "training": "jobs"}[match[2]]
    return f"{_console(match[1], 'sagemaker')}#/{folder}/{quote(match[3])}"


def log_url(arn: str) -> str | None:
    """Return the console's address of a job's log streams; None if this is no job's ARN."""
    match = _JOB.fullmatch(arn)
    if match is None:
        return None
    # The console encodes twice, and writes $ for %.
    group = quote(quote(f"/aws/sagemaker/{match[2].capitalize()}Jobs", safe=""), safe="")
    stream = quote(f"?logStreamNameFilter={match[3]}", safe="")
    where = f"{group}{stream}".replace("%", "$")
    return f"{_console(match[1], 'cloudwatch')}#logsV2:log-groups/log-group/{where}"


def object_url(region: str, uri: str) -> str:
    """Return the console's address of an S3 object."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    query = urlencode({"region": region, "prefix": key})
    return f"https://{region}.console.aws.amazon.com/s3/object/{quote(bucket)}?{query}"


def endpoint_url(region: str, name: str) -> str:
    """Return the console's address of an endpoint."""
    return f"{_console(region, 'sagemaker')}#/endpoints/{quote(name)}"


def page_url(dag_id: str, run_id: str | None = None, *, section: str = "") -> str:
    """Return the address of the page for a DAG, or for one of its runs, within Airflow's UI."""
    names = {"dag_id": dag_id} | ({"run_id": run_id} if run_id else {})
    root = page_root()
    # The UI shows what follows its route of the page in a frame: query, fragment and all.
    shell = f"{root.removesuffix(PAGE)}/plugin{PAGE.rstrip('/')}"
    return f"{shell}{root}?{urlencode(names)}" + (f"#{section}" if section else "")


def page_root() -> str:
    """Return the address of the page, below the root of Airflow's UI, wherever that is."""
    from airflow.configuration import conf  # noqa: PLC0415 - not when a task starts

    base = conf.get("api", "base_url", fallback="") or ""
    return re.sub(r"^\w+://[^/]*", "", base).rstrip("/") + PAGE


def _console(region: str, service: str) -> str:
    return f"https://{region}.console.aws.amazon.com/{service}/home?region={region}"


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

    name = "SageMaker job"


class LogLink(_Link):
    """The log of the task's SageMaker job."""

    name = "Job log"


class ReportLink(_Link):
    """The run's evaluation report."""

    name = "Evaluation report"


class DecisionLink(_Link):
    """The run's decision record."""

    name = "Decision"


class VersionLink(_Link):
    """The version that the task registered or deployed."""

    name = "Model version"


class EndpointLink(_Link):
    """The endpoint that the task deployed to, or may deploy to."""

    name = "Endpoint"


@functools.cache
def _linked_operators() -> list[type[BaseOperator]]:
    # Heavy, and only the API server asks.
    from retraining.approval.operators import AskForApprovalOperator, RegisterModelOperator  # noqa: PLC0415
    from retraining.deployment.operators import DeployVersionOperator, FlipBackOperator  # noqa: PLC0415
    from retraining.jobs.operators import RetrainingProcessingOperator, RetrainingTrainingOperator  # noqa: PLC0415
    from retraining.python_tasks import PipelineBranch, PipelineTask  # noqa: PLC0415
    from retraining.runs.operators import ResolveRunOperator  # noqa: PLC0415

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
    ]


LINKS = (JobLink(), LogLink(), ReportLink(), DecisionLink(), VersionLink(), EndpointLink())
