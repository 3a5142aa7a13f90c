"""The task that brings the reports on past runs up to date."""

from __future__ import annotations

from importlib.util import find_spec

from airflow.sdk.exceptions import AirflowFailException

from retraining.aws import clients
from retraining.settings import settings

# Three months of nights; reading them takes two seconds.
_REPORTED_RUNS = 90


def report_past_runs() -> list[str]:
    """Bring the report of each pipeline in this deployment's bucket up to date.

    Returns:
        The URIs of the pages that were written.

    Raises:
        AirflowFailException: What draws and writes the page is not installed here.
    """
    if missing := [name for name in ("matplotlib", "jinja2") if find_spec(name) is None]:
        raise AirflowFailException(
            f"{' and '.join(missing)} cannot be imported here: install gated-retraining[web] on"
            " the workers that make reports"
        )
    from botocore.config import Config  # noqa: PLC0415 - not when the DAG is parsed

    # It brings a library for plots, which takes a second to import.
    from retraining.past_runs.publishing import write_reports  # noqa: PLC0415

    # An object that does not come keeps no other report waiting for long.
    patience = Config(
        connect_timeout=5, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 3}
    )
    return write_reports(
        clients.client("s3", config=patience),
        clients.client("sagemaker", config=patience),
        settings().bucket,
        newest=_REPORTED_RUNS,
    )
