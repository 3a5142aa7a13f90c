"""The one Airflow plugin. Every Airflow process loads it, so it imports next to nothing.

An installed library names it as an entry point; of a plugins folder ``retraining_plugin.py`` does.
"""

# Airflow's own class has attributes where this one has properties: they import when they are asked.
# mypy: disable-error-code="override"
from __future__ import annotations

from typing import Any

from airflow.sdk.plugins_manager import AirflowPlugin

_NAME = "Model quality"


class RetrainingPlugin(AirflowPlugin):
    """What Airflow has to know of the library by name."""

    name = "retraining"

    @property
    def listeners(self) -> list[Any]:
        """What writes a run's note, and what imports ahead; every process loads them."""
        from retraining.plugin import preimport, run_listener  # noqa: PLC0415 - only once Airflow can be imported

        return [preimport, run_listener]

    @property
    def priority_weight_strategies(self) -> list[Any]:
        """How a DAG orders its tasks: only who schedules or serializes asks for it."""
        from retraining.plugin.priority import NightlyFirst  # noqa: PLC0415 - not when a task starts

        return [NightlyFirst]

    # Airflow asks for these three in the API server only: there FastAPI is paid for already.

    @property
    def fastapi_apps(self) -> list[dict[str, Any]]:
        """The app of the page."""
        from retraining.web.app import make_app  # noqa: PLC0415 - seconds

        return [{"app": make_app(), "url_prefix": "/model-quality", "name": _NAME}]

    @property
    def operator_extra_links(self) -> list[Any]:
        """The buttons on tasks of the library's own classes."""
        from retraining.plugin.links import LINKS  # noqa: PLC0415 - not when a task starts

        return [*LINKS]

    @property
    def external_views(self) -> list[dict[str, str]]:
        """Where the page is shown: in the navigation, and as a tab of every DAG, run and task."""
        from retraining.web.addresses import page_root  # noqa: PLC0415 - not when a task starts

        queries = {
            "nav": "",
            "dag": "?dag_id={DAG_ID}",
            "dag_run": "?dag_id={DAG_ID}&run_id={RUN_ID}",
            "task_instance": "?dag_id={DAG_ID}&run_id={RUN_ID}&task_id={TASK_ID}",
        }
        return [
            {
                "name": _NAME,
                "href": f"{page_root()}{query}",
                "destination": destination,
                "url_route": "model-quality" + (f"-{destination}" if query else ""),
                **({} if query else {"category": "browse"}),
            }
            for destination, query in queries.items()
        ]
