"""Airflow's API server on a project's database, and the page's answers."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from local_stack.programs.keys import ADMIN, write_private
from local_stack.services import airflow_api

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.front_door.project import Project

_PASSWORD = "a password of this test"
_START_S = 120.0
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True, slots=True)
class Api:
    """An API server, and the token of a person who may do everything."""

    url: str
    token: str

    def get(self, path: str, **query: Any) -> Any:
        """Return what the server answers, parsed if it is JSON."""
        asked = f"{self.url}{path}" + (f"?{urlencode(query, doseq=True)}" if query else "")
        request = urllib.request.Request(asked, headers={"Authorization": f"Bearer {self.token}"})
        with _OPENER.open(request, timeout=60) as answer:
            body = answer.read().decode()
        return json.loads(body) if body.startswith(("{", "[")) else body

    def page(self, what: str, **query: Any) -> Any:
        """Return what the page "Model quality" gets."""
        return self.get(f"/model-quality/{what}", **query)

    def run(self, dag_id: str, run_id: str) -> dict[str, Any]:
        """Return a DAG run as Airflow tells of it."""
        found: dict[str, Any] = self.get(f"/api/v2/dags/{dag_id}/dagRuns/{quote(run_id)}")
        return found


@contextmanager
def api_server(project: Project) -> Iterator[Callable[[], Api]]:
    """Run it until the block ends; what is yielded waits until it answers."""
    variables = project.variables
    passwords = Path(variables["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"])
    write_private(passwords, json.dumps({ADMIN: _PASSWORD}))
    url = f"http://127.0.0.1:{variables['AIRFLOW__API__PORT']}"
    log = project.folder / "api-server.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "airflow", "api-server"],
            env=variables | {"AIRFLOW__API__BASE_URL": url},
            cwd=project.folder,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield lambda: Api(url, _token(url, process, log))
    finally:
        process.terminate()
        process.wait(timeout=60)


def _token(url: str, process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + _START_S
    while True:
        try:
            return airflow_api.token(url, ADMIN, _PASSWORD)
        except OSError:
            assert process.poll() is None, log.read_text()[-3000:]
            assert time.monotonic() < deadline, log.read_text()[-3000:]
            time.sleep(0.3)
