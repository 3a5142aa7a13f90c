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
    # It brings a library for plots, which takes a second to import.
    from retraining.past_runs.publishing import write_reports  # noqa: PLC0415

    return write_reports(
        clients.client("s3"),
        clients.client("sagemaker"),
        settings().bucket,
        newest=_REPORTED_RUNS,
    )
