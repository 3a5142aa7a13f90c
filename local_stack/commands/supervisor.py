"""The process that runs a place: it starts all programs, watches them and stops them."""

from __future__ import annotations

import contextlib
import math
import os
import shlex
import sys
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from local_stack.programs import control
from local_stack.programs.keys import ADMIN, Keys, keys, write_passwords, write_private
from local_stack.programs.places import git_commit
from local_stack.programs.ports import LOOPBACK
from local_stack.programs.processes import (
    Child,
    Children,
    Program,
    ProgramEndedError,
    interruptible,
    no_survivors,
    obituary,
)
from local_stack.samples import landing
from local_stack.samples.pipelines import PIPELINES
from local_stack.services import airflow_api, embedded_sagemaker, environment, migration, postgres

if TYPE_CHECKING:
    from collections.abc import Callable

    from local_stack.programs.places import Place

# Stages of stopping, last first: tasks need the API, everything needs the database.
_DATABASE, _SAGEMAKER, _AIRFLOW = range(3)
_HEALTHY_S = 240.0
_LISTED_S = 120.0
_WATCH_S = 0.5
# What ends at once is not started more often.
_PAUSE_S = 5.0


@dataclass(frozen=True, slots=True)
class Choice:
    """What a person may choose when starting a place.

    Attributes:
        port: The port of Airflow's UI.
        sagemaker_port: The port of the embedded SageMaker.
        sample: A file that is landed instead of each pipeline's own table, if any.
    """

    port: int
    sagemaker_port: int
    sample: Path | None


def supervise(
    place: Place, choice: Choice, *, say: Callable[[str], None], ready: Callable[[], None]
) -> None:
    """Run a place until a signal or the end of its database; what else ends is started again.

    Args:
        place: Its folders.
        choice: Its ports and data.
        say: Is told of each step.
        ready: Is called once, when all is healthy.

    Raises:
        AlreadyRunningError: Another process runs it.
        KeyboardInterrupt: A signal asked for the end; all is stopped.
        ProgramEndedError: The database ended, or a program did while the place was starting; the
            others are stopped.
        NotReadyError: A program did not become ready in time; all is stopped.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(control.hold(place))
        stack.enter_context(interruptible())
        for name in control.end_leftovers(place):
            say(f"ended {name}, which an earlier start had left behind")
        control.write_record(place, control.record_of(()))
        database = postgres.server(place.postgres)
        stack.callback(postgres.tidy_up, database)
        stack.enter_context(no_survivors())
        children = stack.enter_context(Children(say))
        _start(place, choice, database=database, children=children, say=say)
        ready()
        try:
            _watch(place, children, say)
        except ProgramEndedError as error:
            if record := control.read_record(place):
                now = datetime.now(UTC).isoformat(" ", "seconds")
                control.write_record(place, replace(record, ended=f"{now}: {error}"))
            raise


def _watch(place: Place, children: Children, say: Callable[[str], None]) -> NoReturn:
    """Start again what has ended. Nothing goes on without the database, and so neither does this.

    Raises:
        ProgramEndedError: The database ended.
    """
    tried: dict[str, float] = {}
    is_recorded = True
    while True:
        for child in children.ended():
            name, now = child.program.name, time.monotonic()
            if child.program.stage == _DATABASE:
                raise ProgramEndedError(obituary(child))
            if now - tried.get(name, -math.inf) < _PAUSE_S:
                continue
            tried[name] = now
            is_recorded = False
            # A full disk is no reason to stop all: it is tried again.
            with contextlib.suppress(OSError):
                say(f"{obituary(child)}\nstarting {name} again; the others go on")
            with contextlib.suppress(OSError):
                children.start_again(child)
        if not is_recorded:
            with contextlib.suppress(OSError):
                _record_programs(place, children)
                is_recorded = True
        time.sleep(_WATCH_S)


def _record_programs(place: Place, children: Children) -> None:
    if record := control.read_record(place):
        programs = control.record_of(children.running).programs
        control.write_record(place, replace(record, programs=programs))


def _start(
    place: Place,
    choice: Choice,
    *,
    database: postgres.Server,
    children: Children,
    say: Callable[[str], None],
) -> None:
    own = environment.inherited(os.environ)
    say("starting PostgreSQL and the embedded SageMaker")
    postgres.start(children, database, environment=own, logs=place.logs, stage=_DATABASE)
    control.write_record(place, control.record_of(children.running))
    _, sagemaker_url = embedded_sagemaker.start(
        children,
        project=place.project,
        state=place.sagemaker,
        images=place.images,
        port=choice.sagemaker_port,
        environment=own,
        log=place.logs / "local-sagemaker.log",
        stage=_SAGEMAKER,
    )
    control.write_record(place, control.record_of(children.running))
    aws = environment.embedded_aws_environment(sagemaker_url)
    landed = _land(choice.sample, aws)
    for each in landed:
        say(f"snapshot {each.uri} {'landed' if each.is_new else 'lies there already'}")

    url = f"http://{LOOPBACK}:{choice.port}"
    secret = keys(place.secrets)
    variables = _variables(place, choice.port, database_url=database.url(), secret=secret) | aws
    exports = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())
    write_private(place.control / "environment.sh", exports)
    place.airflow_home.mkdir(parents=True, exist_ok=True)
    marker = place.postgres / "migrated"
    if not migration.is_current(marker):
        migration.migrate(
            children,
            marker,
            environment=own | variables,
            folder=place.airflow_home,
            log=place.logs / "db-migrate.log",
            say=say,
        )
    say("starting Airflow: API server, scheduler, DAG processor, triggerer (about half a minute)")
    api_server = _start_airflow(place, children, own | variables)
    record = control.record_of(children.running)
    control.write_record(place, record)
    _wait_until_healthy(children, api_server, url=url, say=say)
    bearer = airflow_api.token(url, ADMIN, secret.password)
    dags = _wait_until_listed(place, children, api_server, url=url, bearer=bearer)
    for name, trace in airflow_api.import_errors(url, bearer).items():
        say(f"{name} cannot be imported: {trace.strip().splitlines()[-1]}")
    control.write_record(
        place,
        replace(
            record,
            url=url,
            sagemaker_url=sagemaker_url,
            snapshots=tuple(each.uri for each in landed),
            snapshot=landed[0].uri.rstrip("/").rpartition("/")[2],
            dags=tuple(dag.dag_id for dag in dags),
            paused=tuple(dag.dag_id for dag in dags if dag.is_paused),
        ),
    )


def _variables(place: Place, port: int, *, database_url: str, secret: Keys) -> dict[str, str]:
    write_passwords(place.passwords, secret)
    return environment.local_airflow_environment(
        place, port, database_url=database_url, secret=secret
    ) | environment.retraining_environment(git_commit=git_commit(place.project))


def _start_airflow(place: Place, children: Children, variables: dict[str, str]) -> Child:
    """Start Airflow's processes; return the API server."""
    # Two of them have log servers that would listen on every network; the API server, which
    # would ask them, can read the files itself.
    api_server, *_ = [
        children.start(
            Program(
                name=arguments[0],
                command=(sys.executable, "-m", "airflow", *arguments),
                environment=variables,
                folder=place.airflow_home,
                log=place.logs / f"{arguments[0]}.log",
                stage=_AIRFLOW,
            )
        )
        for arguments in (
            ("api-server",),
            ("scheduler", "--skip-serve-logs"),
            ("dag-processor",),
            ("triggerer", "--skip-serve-logs"),
        )
    ]
    return api_server


def _land(sample: Path | None, aws: dict[str, str]) -> list[landing.Landing]:
    # Heavy, and "down" need not wait for it.
    from retraining import naming  # noqa: PLC0415

    s3 = embedded_sagemaker.s3(aws)
    now = datetime.now(UTC)
    landed = []
    for pipeline in PIPELINES:
        uri = naming.snapshot_uri(environment.BUCKET, pipeline.name, pipeline.latest_night(now))
        table = sample or pipeline.table
        landed.append(landing.land(s3, uri, {table.name: table}, make_bucket=True))
    return landed


def _wait_until_healthy(
    children: Children, api_server: Child, *, url: str, say: Callable[[str], None]
) -> None:
    begin = time.monotonic()
    waiting: set[str] | None = None

    def healthy() -> bool:
        nonlocal waiting
        answer = airflow_api.unhealthy(url)
        if answer is None:
            return False
        before = waiting if waiting is not None else set(airflow_api.COMPONENTS)
        for name in sorted(before - set(answer)):
            say(f"{name.replace('_', ' ')} healthy after {time.monotonic() - begin:.0f} s")
        waiting = set(answer)
        return not waiting

    children.wait(healthy, _HEALTHY_S, child=api_server, poll_s=0.5)


def _wait_until_listed(
    place: Place, children: Children, api_server: Child, *, url: str, bearer: str
) -> list[airflow_api.ListedDag]:
    # The house rule: a DAG has its file's name.
    expected = {path.stem for path in place.dags.glob("*.py")}

    def listed() -> bool:
        broken = {Path(name).stem for name in airflow_api.import_errors(url, bearer)}
        return expected <= {dag.dag_id for dag in airflow_api.dags(url, bearer)} | broken

    children.wait(listed, _LISTED_S, child=api_server, poll_s=0.5)
    return sorted(airflow_api.dags(url, bearer), key=lambda dag: dag.dag_id)
