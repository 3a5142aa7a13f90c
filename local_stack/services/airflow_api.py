"""The few questions that starting a place asks Airflow's REST API."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from local_stack.errors import LocalStackError

if TYPE_CHECKING:
    from collections.abc import Mapping

COMPONENTS = ("metadatabase", "scheduler", "dag_processor", "triggerer")
# A machine under load may take its time to check a password.
_TIMEOUT_S = 60.0
# Never through a proxy: the server is on this machine.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class AirflowApiError(LocalStackError):
    """Airflow's API refused a request; the message has its answer."""


@dataclass(frozen=True, slots=True)
class ListedDag:
    """A DAG as the API lists it.

    Attributes:
        dag_id: Its id.
        is_paused: Whether its schedule rests.
    """

    dag_id: str
    is_paused: bool


def unhealthy(base_url: str) -> list[str] | None:
    """Return the components that are not healthy, or None if the API server does not answer."""
    try:
        answer = _request(f"{base_url}/api/v2/monitor/health")
    except (AirflowApiError, OSError, ValueError):
        return None
    return [name for name in COMPONENTS if (answer.get(name) or {}).get("status") != "healthy"]


def token(base_url: str, user: str, password: str) -> str:
    """Log in.

    Raises:
        AirflowApiError: The login was refused.
        OSError: The API server does not answer.
    """
    login = {"username": user, "password": password}
    answer = _request(f"{base_url}/auth/token", body=login)
    return str(answer["access_token"])


def dags(base_url: str, bearer: str) -> list[ListedDag]:
    """Return the DAGs that Airflow knows.

    Raises:
        AirflowApiError: The request was refused.
        OSError: The API server does not answer.
    """
    answer = _request(f"{base_url}/api/v2/dags?limit=100", bearer=bearer)
    return [ListedDag(item["dag_id"], bool(item["is_paused"])) for item in answer["dags"]]


def import_errors(base_url: str, bearer: str) -> dict[str, str]:
    """Return the traceback of each DAG file that Airflow could not read.

    Raises:
        AirflowApiError: The request was refused.
        OSError: The API server does not answer.
    """
    answer = _request(f"{base_url}/api/v2/importErrors", bearer=bearer)
    return {str(item["filename"]): str(item["stack_trace"]) for item in answer["import_errors"]}


def _request(
    url: str, *, bearer: str | None = None, body: Mapping[str, str] | None = None
) -> dict[str, Any]:
    headers = {"Content-Type": "application/json"}
    if bearer is not None:
        headers["Authorization"] = f"Bearer {bearer}"
    content = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=content, headers=headers)  # noqa: S310 - http only
    try:
        with _OPENER.open(request, timeout=_TIMEOUT_S) as response:
            answer: dict[str, Any] = json.load(response)
            return answer
    except urllib.error.HTTPError as error:
        detail = error.read().decode(errors="replace")[:500]
        raise AirflowApiError(f"{url} answered {error.code}: {detail}") from error
