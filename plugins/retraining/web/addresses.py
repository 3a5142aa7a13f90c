"""Where the page lies within Airflow's UI."""

from __future__ import annotations

import re
from urllib.parse import urlencode

PAGE = "/model-quality/"
# The buttons on tasks.
JOB = "SageMaker job"
LOG = "Job log"
REPORT = "Evaluation report"
DECISION = "Decision"
VERSION = "Model version"
ENDPOINT = "Endpoint"


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
