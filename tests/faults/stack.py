"""A whole Airflow in processes of its own, behind the fault proxy; each can be killed alone."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

import boto3

from local_stack.programs import kernel, ports
from local_stack.programs.keys import keys, write_passwords
from local_stack.programs.places import PROJECT, local_place
from local_stack.programs.ports import LOOPBACK
from local_stack.programs.processes import Child, Children, Program
from local_stack.services import airflow_api, embedded_sagemaker, environment, migration, postgres
from tests.faults.airflow_client import AirflowClient
from tests.faults.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FOLDER = PROJECT / "tests" / "faults"
_DATABASE, _SAGEMAKER, _AIRFLOW = range(3)
_HEALTHY_S = 240.0
_PROGRAMS = {
    "api-server": ("api-server",),
    "scheduler": ("scheduler", "--skip-serve-logs"),
    "dag-processor": ("dag-processor",),
    "triggerer": ("triggerer", "--skip-serve-logs"),
}
# How soon Airflow notices deaths; the defaults suit a large installation, not a test.
_QUICK = {
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "15",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "1",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_SEC": "2",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "5",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "10",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "2",
    "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "2",
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "10",
    # The files do not change.
    "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "3600",
}


class Stack:
    """PostgreSQL, the embedded SageMaker, the proxy and Airflow's four programs.

    A context: leaving it ends all of them, and whatever they have started.

    Args:
        folder: All that it makes lies there.
        dags: The DAG files.
        scripts: The container scripts.
        before_airflow: Is called when there is a bucket, and no Airflow yet.

    Attributes:
        proxy: Between Airflow and the embedded SageMaker.
        airflow: The client of its REST API.
        variables: Of every Airflow process.
        direct: The variables that lead to the embedded SageMaker past the proxy.
    """

    def __init__(
        self,
        folder: Path,
        *,
        dags: Path = FOLDER / "dags",
        scripts: Path = FOLDER / "scripts",
        before_airflow: Callable[[Stack], None] | None = None,
    ) -> None:
        self._place = local_place(state=folder)
        self._dags = dags
        self._scripts = scripts
        self._before_airflow = before_airflow
        self._children = Children()
        self._programs: dict[str, Child] = {}
        self._sessions: list[tuple[int, str]] = []
        self._exit = contextlib.ExitStack()
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()
        self.proxy: Proxy
        self.airflow: AirflowClient
        self.variables: dict[str, str] = {}
        self.direct: dict[str, str] = {}

    def __enter__(self) -> Self:
        """Start all and wait until Airflow is healthy."""
        try:
            self._start_all()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """End all."""
        try:
            self._children.stop()
        finally:
            # A killed scheduler's workers belong to nobody any more.
            for leader, started in self._sessions:
                for pid in kernel.session(leader, started):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
            self._exit.close()

    def kill(self, name: str, number: signal.Signals) -> None:
        """End a program; SIGKILL ends all that descends from it too, as a lost machine does."""
        child = self._programs.pop(name)
        # What is not watched any more may end.
        self._children.running.remove(child)
        below = kernel.descendants(child.pid) if number is signal.SIGKILL else []
        for pid in (child.pid, *below):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        # A scheduler waits for its workers.
        poll(child.has_ended, what=f"the end of {name}", seconds=180)
        child.process.wait()

    def start(self, name: str) -> None:
        """Start one of Airflow's programs."""
        count = sum(1 for path in self._place.logs.glob(f"{name}*.log"))
        child = self._children.start(
            Program(
                name=name,
                command=(sys.executable, "-m", "airflow", *_PROGRAMS[name]),
                environment=self.variables,
                folder=self._place.airflow_home,
                log=self._place.logs / f"{name}-{count}.log",
                stage=_AIRFLOW,
                grace_s=10,
            )
        )
        self._note(child)
        self._programs[name] = child

    def wait_healthy(self) -> None:
        """Wait until every program has given a sign of life, a new one since its start."""
        started = datetime.now(UTC)

        def healthy() -> bool:
            return airflow_api.unhealthy(self.airflow.url) == [] and all(
                beat > started for beat in self.airflow.heartbeats()
            )

        poll(healthy, what="a healthy Airflow", seconds=_HEALTHY_S)

    def client(self, service: str) -> Any:
        """Return a boto3 client of the embedded SageMaker, past the proxy.

        Args:
            service: ``sagemaker``, ``sagemaker-runtime`` or ``s3``.
        """
        with self._lock:
            if service not in self._clients:
                session = boto3.Session(
                    self.direct["AWS_ACCESS_KEY_ID"],
                    self.direct["AWS_SECRET_ACCESS_KEY"],
                    region_name=self.direct["AWS_DEFAULT_REGION"],
                )
                self._clients[service] = session.client(
                    service, endpoint_url=self.direct["AWS_ENDPOINT_URL"]
                )
            return self._clients[service]

    def _start_all(self) -> None:
        own = environment.inherited(os.environ)
        database = postgres.server(self._place.postgres)
        self._exit.callback(postgres.tidy_up, database)
        self._note(
            postgres.start(
                self._children,
                database,
                environment=own,
                logs=self._place.logs,
                stage=_DATABASE,
            )
        )
        child, url = embedded_sagemaker.start(
            self._children,
            project=PROJECT,
            state=self._place.sagemaker,
            images=self._place.images,
            port=0,
            environment=own,
            log=self._place.logs / "local-sagemaker.log",
            stage=_SAGEMAKER,
        )
        self._note(child)
        self.direct = environment.embedded_aws_environment(url)
        self.client("s3").create_bucket(Bucket=environment.BUCKET)
        self.proxy = self._exit.enter_context(Proxy(url))
        port = ports.any_free()
        password = self._set_variables(own, port, database.url())
        self._place.airflow_home.mkdir(parents=True, exist_ok=True)
        migration.migrate(
            self._children,
            self._place.postgres / "migrated",
            environment=self.variables,
            folder=self._place.airflow_home,
            log=self._place.logs / "db-migrate.log",
            say=lambda _: None,
        )
        if self._before_airflow:
            self._before_airflow(self)
        for name in _PROGRAMS:
            self.start(name)
        base = f"http://{LOOPBACK}:{port}"
        api_server = self._programs["api-server"]
        self._children.wait(
            lambda: airflow_api.unhealthy(base) == [], _HEALTHY_S, child=api_server, poll_s=0.5
        )
        token = airflow_api.token(base, environment.ADMIN, password)
        self.airflow = AirflowClient(base, token)
        expected = {path.stem for path in self._dags.glob("*.py")} - {"product", "shops"}

        def listed() -> bool:
            errors = airflow_api.import_errors(base, token)
            assert not errors, errors
            return expected <= {dag.dag_id for dag in airflow_api.dags(base, token)}

        self._children.wait(listed, _HEALTHY_S, child=api_server, poll_s=0.5)

    def _set_variables(self, own: dict[str, str], port: int, database_url: str) -> str:
        secret = keys(self._place.secrets)
        write_passwords(self._place.passwords, secret)
        self.variables = {
            **own,
            **environment.local_airflow_environment(
                self._place, port, database_url=database_url, secret=secret, dags=self._dags
            ),
            **environment.embedded_aws_environment(self.proxy.url),
            **environment.retraining_environment(),
            **_QUICK,
            "RETRAINING_SCRIPTS_FOLDER": str(self._scripts),
        }
        return secret.password

    def _note(self, child: Child) -> None:
        started = kernel.start_time(child.pid)
        if started is not None:
            self._sessions.append((child.pid, started))


def poll(condition: Callable[[], Any], *, what: str, seconds: float = 120.0) -> Any:
    """Wait until a condition holds, and return what it returned."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s in vain: {what}"
        time.sleep(0.25)
    return found
