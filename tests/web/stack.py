"""An API server of a real Airflow with the project's DAGs and plugins, and an embedded SageMaker.

There is no scheduler unless a test asks for one: runs are put into the database by `seed.py`, and
what they would have left on S3 and in the registry by the library's own functions.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlencode

from local_stack.programs import ports
from local_stack.programs.keys import keys, write_private
from local_stack.programs.places import PROJECT, local_place
from local_stack.programs.ports import LOOPBACK
from local_stack.programs.processes import Child, Children, Program
from local_stack.services import airflow_api, embedded_sagemaker, environment, migration, postgres

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

FOLDER = PROJECT / "tests" / "web"
PIPELINE = "california-housing"
DAG = "california_housing_retraining"
DEPLOYMENT = "california_housing_deployment"
SHELLS_DEPLOYMENT = "abalone_deployment"
OTHER_DAG = "sagemaker_orphans"
ROLES = {"ada": "admin", "otto": "op", "ute": "user", "vera": "viewer"}
_DATABASE, _SAGEMAKER, _AIRFLOW = range(3)
_START_S = 240.0
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer.

    Attributes:
        status: Its status.
        headers: Its headers, by names in small letters.
        body: Its bytes.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the body, read as JSON."""
        return json.loads(self.body)


class Stack:
    """PostgreSQL, the embedded SageMaker and Airflow's API server.

    A context: leaving it ends all of them.

    Attributes:
        url: Of the API server.
        direct: The variables that lead to the embedded SageMaker.
    """

    def __init__(self, folder: Path, *, variables: Mapping[str, str] | None = None) -> None:
        self._place = local_place(state=folder)
        self._children = Children()
        self._exit = contextlib.ExitStack()
        self._extra = dict(variables or {})
        self._variables: dict[str, str] = {}
        self._tokens: dict[str, str] = {}
        self._sagemaker: Child
        self.url = ""
        self.direct: dict[str, str] = {}

    def __enter__(self) -> Self:
        """Start all and wait until the API server answers."""
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """End all."""
        try:
            self._children.stop()
        finally:
            self._exit.close()

    def client(self, service: str) -> Any:
        """Return a boto3 client of the embedded SageMaker: sagemaker or s3."""
        make = {"sagemaker": embedded_sagemaker.api, "s3": embedded_sagemaker.s3}[service]
        return make(self.direct)

    def start_runs(self) -> None:
        """Start what runs DAGs: scheduler, DAG processor and triggerer."""
        *_, last = [
            self._children.start(self._program(*arguments))
            for arguments in (
                ("scheduler", "--skip-serve-logs"),
                ("dag-processor",),
                ("triggerer", "--skip-serve-logs"),
            )
        ]
        self._children.wait(
            lambda: airflow_api.unhealthy(self.url) == [], _START_S, child=last, poll_s=0.25
        )

    def seed(self, runs: Iterable[Mapping[str, Any]]) -> None:
        """Put runs into Airflow's database; see `seed.py`."""
        subprocess.run(
            [sys.executable, str(FOLDER / "seed.py")],
            input=json.dumps(list(runs)),
            text=True,
            check=True,
            env=self._variables,
            cwd=self._place.airflow_home,
            stdout=subprocess.DEVNULL,
            timeout=_START_S,
        )

    def ask(
        self,
        path: str,
        user: str | None = "ada",
        *,
        method: str = "GET",
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        cookie: bool = False,
        **query: Any,
    ) -> Answer:
        """Ask the API server as a user, or as nobody; never raises for a status."""
        sent = {"Content-Type": "application/json"} if body is not None else {}
        if user is not None:
            token = self.token(user)
            sent |= (
                {"Cookie": f"_token={token}"} if cookie else {"Authorization": f"Bearer {token}"}
            )
        content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        url = f"{self.url}{path}" + (f"?{urlencode(query, doseq=True)}" if query else "")
        request = urllib.request.Request(
            url, data=content, headers=sent | dict(headers or {}), method=method
        )
        try:
            with _OPENER.open(request, timeout=60) as response:
                return Answer(response.status, _small(response.headers), response.read())
        except urllib.error.HTTPError as error:
            return Answer(error.code, _small(error.headers), error.read())

    def page(self, path: str = "", user: str | None = "ada", **more: Any) -> Answer:
        """Ask the page's app."""
        return self.ask(f"/model-quality/{path}", user, **more)

    def act(self, action: str, user: str | None = "ada", **more: Any) -> Answer:
        """Act as the page's own script does, unless the arguments say otherwise."""
        more.setdefault("headers", {"X-Model-Quality": "act"})
        more.setdefault("dag_id", DAG)
        return self.page(f"actions/{action}", user, method="POST", **more)

    def token(self, user: str) -> str:
        """Log in, once for each user."""
        if user not in self._tokens:
            self._tokens[user] = airflow_api.token(self.url, user, f"{user}'s password")
        return self._tokens[user]

    @contextlib.contextmanager
    def silent_sagemaker(self) -> Iterator[None]:
        """Let the embedded SageMaker accept connections and answer none."""
        os.kill(self._sagemaker.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self._sagemaker.pid, signal.SIGCONT)

    @contextlib.contextmanager
    def dead_sagemaker(self) -> Iterator[None]:
        """Do without the embedded SageMaker; afterwards it is as it was."""
        # What is not watched any more may end.
        self._children.running.remove(self._sagemaker)
        self._sagemaker.process.terminate()
        self._sagemaker.process.wait(timeout=60)
        try:
            yield
        finally:
            self._start_sagemaker(int(self.direct["AWS_ENDPOINT_URL"].rpartition(":")[2]))

    def _start(self) -> None:
        place, own = self._place, environment.inherited(os.environ)
        database = postgres.server(place.postgres)
        self._exit.callback(postgres.tidy_up, database)
        postgres.start(self._children, database, environment=own, logs=place.logs, stage=_DATABASE)
        url = self._start_sagemaker(0)
        self.direct = environment.embedded_aws_environment(url)
        self.client("s3").create_bucket(Bucket=environment.BUCKET)
        port = ports.any_free()
        self.url = f"http://{LOOPBACK}:{port}"
        self._variables = own | self._settings(port, database.url())
        place.airflow_home.mkdir(parents=True, exist_ok=True)
        migration.migrate(
            self._children,
            place.postgres / "migrated",
            environment=self._variables,
            folder=place.airflow_home,
            log=place.logs / "db-migrate.log",
            say=lambda _: None,
        )
        server = self._children.start(self._program("api-server"))
        # The DAG files are read while the server starts.
        self._children.run(self._program("dags", "reserialize"), _START_S)
        self._children.wait(self._answers, _START_S, child=server, poll_s=0.25)

    def _start_sagemaker(self, port: int) -> str:
        place = self._place
        count = sum(1 for _ in place.logs.glob("local-sagemaker-*.log"))
        self._sagemaker, url = embedded_sagemaker.start(
            self._children,
            project=PROJECT,
            state=place.sagemaker,
            images=place.images,
            port=port,
            environment=environment.inherited(os.environ),
            log=place.logs / f"local-sagemaker-{count}.log",
            stage=_SAGEMAKER,
        )
        return url

    def _program(self, *arguments: str) -> Program:
        return Program(
            name=arguments[0],
            command=(sys.executable, "-m", "airflow", *arguments),
            environment=self._variables,
            folder=self._place.airflow_home,
            log=self._place.logs / f"{arguments[0]}.log",
            stage=_AIRFLOW,
        )

    def _answers(self) -> bool:
        try:
            return self.ask("/api/v2/version", None).status == 200
        except OSError:
            return False

    def _settings(self, port: int, database_url: str) -> dict[str, str]:
        place = self._place
        secret = keys(place.secrets)
        passwords = {user: f"{user}'s password" for user in ROLES}
        write_private(place.passwords, json.dumps(passwords))
        return {
            **environment.local_airflow_environment(
                place, port, database_url=database_url, secret=secret
            ),
            **environment.embedded_aws_environment(self.direct["AWS_ENDPOINT_URL"]),
            **environment.retraining_environment(),
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(
                f"{user}:{role}" for user, role in ROLES.items()
            ),
            **self._extra,
        }


def _small(headers: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
