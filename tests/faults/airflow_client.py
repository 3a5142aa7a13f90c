"""Airflow's REST API, as far as a person uses it on runs and tasks."""

from __future__ import annotations

import itertools
import json
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

if TYPE_CHECKING:
    from collections.abc import Sequence

_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_TIMEOUT_S = 60.0
_ATTEMPTS = 5


class NotFoundError(AssertionError):
    """Airflow has no such run, task or attempt."""


@dataclass(frozen=True, slots=True)
class AirflowClient:
    """The API of one Airflow.

    Attributes:
        url: Where it is.
        token: A bearer token.
    """

    url: str
    token: str

    def start(self, dag_id: str, run_id: str, conf: dict[str, Any]) -> None:
        """Start a DAG run."""
        self._ask(
            "POST",
            f"/dags/{dag_id}/dagRuns",
            {"dag_run_id": run_id, "logical_date": None, "conf": conf},
        )

    def has(self, dag_id: str) -> bool:
        """Tell whether Airflow knows a DAG."""
        try:
            self._ask("GET", f"/dags/{dag_id}")
        except NotFoundError:
            return False
        return True

    def add_connection(self, connection_id: str, **members: Any) -> None:
        """Make a connection."""
        self._ask("POST", "/connections", {"connection_id": connection_id, **members})

    def remove_connection(self, connection_id: str) -> None:
        """Delete a connection."""
        self._ask("DELETE", f"/connections/{connection_id}")

    def page(self, path: str, dag_id: str) -> dict[str, Any]:
        """Return what the page "Model quality" is told of a DAG."""
        return self._ask(
            "GET", f"/{path}?{urlencode({'dag_id': dag_id})}", root="/model-quality/data"
        )

    def heartbeats(self) -> list[datetime]:
        """Return when the scheduler and the triggerer have last given a sign of life."""
        health = self._ask("GET", "/monitor/health")
        return [
            datetime.fromisoformat(health[name][f"latest_{name}_heartbeat"])
            for name in ("scheduler", "triggerer")
        ]

    def open_runs(self, dag_id: str = "~") -> set[str]:
        """Return the ids of the runs of a DAG, or of all, that have not ended."""
        path = f"/dags/{dag_id}/dagRuns?state=queued&state=running&limit=100"
        return {run["dag_run_id"] for run in self._ask("GET", path)["dag_runs"]}

    def state(self, dag_id: str, run_id: str) -> str:
        """Return a run's state."""
        return str(self._ask("GET", f"/dags/{dag_id}/dagRuns/{quote(run_id)}")["state"])

    def runs_by_date(self, dag_id: str) -> dict[str, dict[str, Any]]:
        """Return a DAG's runs that have a logical date by that date, YYYY-MM-DD."""
        runs = self._ask("GET", f"/dags/{dag_id}/dagRuns?limit=1000")["dag_runs"]
        return {run["logical_date"][:10]: run for run in runs if run["logical_date"]}

    def backfills(self, dag_id: str) -> list[dict[str, Any]]:
        """Return a DAG's backfills."""
        found: list[dict[str, Any]] = self._ask("GET", f"/backfills?dag_id={dag_id}")["backfills"]
        return found

    def tasks(self, dag_id: str, run_id: str) -> dict[str, dict[str, Any]]:
        """Return a run's task instances by task id."""
        path = f"/dags/{dag_id}/dagRuns/{quote(run_id)}/taskInstances"
        return {item["task_id"]: item for item in self._ask("GET", path)["task_instances"]}

    def log(self, dag_id: str, run_id: str, *, task_id: str, attempt: int) -> str:
        """Return a task's log as the UI shows it, with the exceptions in it.

        An attempt that Airflow has no record of has none.
        """
        path = f"/dags/{dag_id}/dagRuns/{quote(run_id)}/taskInstances/{task_id}/logs/{attempt}"
        try:
            answer = self._ask("GET", f"{path}?{urlencode({'full_content': 'true'})}")
        except NotFoundError:
            return ""
        lines = []
        for entry in answer["content"]:
            if isinstance(entry, str):
                lines.append(entry)
                continue
            lines.append(str(entry.get("event", "")))
            lines += [
                f"{detail.get('exc_type')}: {detail.get('exc_value')}"
                for detail in entry.get("error_detail") or []
            ]
        return "\n".join(lines)

    def last_log(self, dag_id: str, run_id: str, *, task_id: str) -> str:
        """Return the log of a task's last attempt."""
        attempt = self.tasks(dag_id, run_id)[task_id]["try_number"]
        return self.log(dag_id, run_id, task_id=task_id, attempt=attempt)

    def mark(self, dag_id: str, run_id: str, *, task_id: str, state: str) -> None:
        """Mark a task ``failed``, ``success`` or ``skipped``, as a person does."""
        path = f"/dags/{dag_id}/dagRuns/{quote(run_id)}/taskInstances/{task_id}"
        self._ask("PATCH", path, {"new_state": state})

    def mark_succeeded(self, dag_id: str, run_id: str, task_ids: Sequence[str]) -> None:
        """Mark several tasks as success at once, as a person does."""
        entities = [{"task_id": task_id, "new_state": "success"} for task_id in task_ids]
        path = f"/dags/{dag_id}/dagRuns/{quote(run_id)}/taskInstances"
        actions = [{"action": "update", "entities": entities}]
        answer = self._ask("PATCH", path, {"actions": actions})
        assert len(answer["update"]["success"]) == len(task_ids), answer

    def clear(self, dag_id: str, run_id: str, *, task_id: str) -> None:
        """Clear a task and all that follows it, as a person does."""
        self._ask(
            "POST",
            f"/dags/{dag_id}/clearTaskInstances",
            {
                "dry_run": False,
                "dag_run_id": run_id,
                "task_ids": [task_id],
                "only_failed": False,
                "include_downstream": True,
                "reset_dag_runs": True,
            },
        )

    def mark_run(self, dag_id: str, run_id: str, *, state: str) -> None:
        """Mark a run ``failed`` or ``success``, as a person does."""
        self._ask("PATCH", f"/dags/{dag_id}/dagRuns/{quote(run_id)}", {"state": state})

    def clear_run(self, dag_id: str, run_id: str) -> None:
        """Clear all tasks of a run, as a person does."""
        path = f"/dags/{dag_id}/dagRuns/{quote(run_id)}/clear"
        self._ask("POST", path, {"dry_run": False, "only_failed": False})

    def delete_run(self, dag_id: str, run_id: str) -> None:
        """Delete a run, as a person does."""
        self._ask("DELETE", f"/dags/{dag_id}/dagRuns/{quote(run_id)}")

    def start_backfill(self, dag_id: str, first: str, last: str, *, at_once: int) -> int:
        """Start a backfill of the days from the first to the last; return its id."""
        body = {
            "dag_id": dag_id,
            "from_date": f"{first}T00:00:00Z",
            "to_date": f"{last}T23:00:00Z",
            "max_active_runs": at_once,
        }
        return int(self._ask("POST", "/backfills", body)["id"])

    def cancel_backfill(self, number: int) -> None:
        """Stop a backfill, as a person does."""
        self._ask("PUT", f"/backfills/{number}/cancel")

    def resize(self, pool: str, *, slots: int) -> None:
        """Give a pool another number of slots."""
        path = f"/pools/{quote(pool)}"
        # Airflow wants it, whatever the mask says.
        told = {"include_deferred": self._ask("GET", path)["include_deferred"]}
        self._ask("PATCH", f"{path}?update_mask=slots", {"pool": pool, "slots": slots, **told})

    def pause(self, dag_id: str, *, is_paused: bool) -> None:
        """Pause a DAG, or let it go on."""
        self._ask("PATCH", f"/dags/{dag_id}", {"is_paused": is_paused})

    def _ask(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        *,
        root: str = "/api/v2",
    ) -> dict[str, Any]:
        request = urllib.request.Request(
            f"{self.url}{root}{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {self.token}",
                "Content-Type": "application/json",
                "Accept": "application/json",
            },
            method=method,
        )
        for attempt in itertools.count(1):
            try:
                with _OPENER.open(request, timeout=_TIMEOUT_S) as response:
                    answer: dict[str, Any] = json.loads(response.read() or b"{}")
                    return answer
            except urllib.error.HTTPError as error:
                detail = error.read().decode(errors="replace")[:1000]
                # A question may meet the database in the middle of a change.
                if method == "GET" and error.code >= 500 and attempt < _ATTEMPTS:
                    time.sleep(1)
                    continue
                kind = NotFoundError if error.code == 404 else AssertionError
                raise kind(f"{method} {path} answered {error.code}: {detail}") from error
        raise AssertionError("counting never ends")
