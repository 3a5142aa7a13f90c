"""``make demo``: retrain on real data: to be rejected, to be registered, to be stopped.

The runs are real Airflow runs on an embedded SageMaker of their own. What the tables say is read
back from S3 and the model registry, and checked: a demo in which something did not happen ends with
an error.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from local_stack.commands.demo_outcome import DemoError, Evidence, Run, check, gather, tables
from local_stack.programs import control
from local_stack.programs.keys import keys
from local_stack.programs.places import git_commit
from local_stack.programs.processes import (
    Children,
    Program,
    ProgramEndedError,
    interruptible,
    no_survivors,
    obituary,
)
from local_stack.samples import pipeline_data
from local_stack.samples.faults import FAULTS
from local_stack.samples.pipelines import LARGE_PIPELINES
from local_stack.services import embedded_sagemaker, environment, migration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from local_stack.programs.places import Place
    from local_stack.samples.pipelines import DemoRun, SamplePipeline

_DAG_RUNS = Path(__file__).with_name("dag_runs.py")
_SAGEMAKER, _AIRFLOW = range(2)
_RUNS_S = 1_800.0
_FAULTS = {fault.name: fault for fault in FAULTS}


@dataclass(frozen=True, slots=True)
class Days:
    """Whose snapshots are worked on, YYYY-MM-DD each: the real table's, and those with a fault."""

    good: str
    bad: str

    def of(self, run: DemoRun) -> str:
        """Return the day of a run's data."""
        return self.bad if run.fault else self.good


def demo(place: Place, pipelines: Sequence[SamplePipeline], say: Callable[[str], None]) -> None:
    """Run the demo and print what came of it.

    Args:
        place: The checkout's place; the demo has one of its own below it.
        pipelines: Whose demo; their tables are landed as yesterday's snapshots, and what is wrong
            with them as today's.
        say: Is told of each step.

    Raises:
        DemoError: Something did not happen; the message says what.
        AlreadyRunningError: Another demo runs in this checkout.
        NothingToLandError: A table is not there.
        ProgramEndedError: A program failed.
        NotReadyError: A program took too long.
        KeyboardInterrupt: A signal asked for the end; all is stopped.
    """
    own = replace(place, state=place.state / "demo")
    begin = time.monotonic()
    with contextlib.ExitStack() as stack:
        stack.enter_context(control.hold(own))
        stack.enter_context(interruptible())
        control.end_leftovers(own)
        stack.enter_context(no_survivors())
        children = stack.enter_context(Children(say))
        today = datetime.now(UTC).date()
        days = Days((today - timedelta(days=1)).isoformat(), today.isoformat())
        evidence = _retrain(own, days, pipelines, children=children, say=say)
    print(f"\n{tables(evidence.outcomes)}\n")
    log = f"Airflow's log: {own.state / 'airflow.log'}"
    try:
        check(evidence, pipelines, days.good)
    except DemoError as error:
        raise DemoError(f"{error}. {log}") from error
    say(f"done in {time.monotonic() - begin:.0f} s. {log}")


def _retrain(
    own: Place,
    days: Days,
    pipelines: Sequence[SamplePipeline],
    *,
    children: Children,
    say: Callable[[str], None],
) -> Evidence:
    inherited = environment.inherited(os.environ)
    shutil.rmtree(own.sagemaker, ignore_errors=True)
    say("starting the embedded SageMaker")
    _, url = embedded_sagemaker.start(
        children,
        project=own.project,
        state=own.sagemaker,
        images=own.images,
        port=0,
        environment=inherited,
        log=own.state / "local-sagemaker.log",
        stage=_SAGEMAKER,
    )
    control.write_record(own, control.record_of(children.running))
    aws = environment.embedded_aws_environment(url)
    s3 = embedded_sagemaker.s3(aws)
    for pipeline in pipelines:
        landed = pipeline_data.land(
            s3, environment.BUCKET, pipeline, day=days.good, make_bucket=True
        )
        say(f"snapshot {landed.uri} landed on {url}")
        for name in filter(None, {run.fault for run in pipeline.demo}):
            table = _spoiled(own, pipeline, name)
            landed = pipeline_data.land(s3, environment.BUCKET, pipeline, day=days.bad, table=table)
            say(f"snapshot {landed.uri} landed: {_FAULTS[name].story}")
    variables = inherited | _airflow_environment(own) | aws
    variables |= environment.retraining_environment(git_commit=git_commit(own.project))
    _migrate(own, children, variables, say=say)
    runs = _run_dags(own, children, variables, pipelines=pipelines, days=days, say=say)
    return gather(aws, runs)


def _spoiled(own: Place, pipeline: SamplePipeline, fault: str) -> Path:
    """Write a pipeline's table with a fault, and return its path."""
    good = {pipeline.table.name: pipeline.table.read_bytes()}
    path = own.state / "spoiled" / pipeline.table.name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_FAULTS[fault].spoil(good).files[path.name])
    return path


def _airflow_environment(own: Place) -> dict[str, str]:
    # dag.test() needs no API server: nothing listens at this port.
    return environment.local_airflow_environment(
        own,
        9,
        database_url=f"sqlite:///{own.airflow_home / 'airflow.db'}",
        secret=keys(own.secrets),
    )


def _migrate(
    own: Place, children: Children, variables: dict[str, str], *, say: Callable[[str], None]
) -> None:
    own.airflow_home.mkdir(parents=True, exist_ok=True)
    marker = own.airflow_home / "migrated"
    database = own.airflow_home / "airflow.db"
    if not (migration.is_current(marker) and database.exists()):
        # One of another version holds only the history of earlier demos.
        database.unlink(missing_ok=True)
        migration.migrate(
            children,
            marker,
            environment=variables,
            folder=own.airflow_home,
            log=own.state / "db-migrate.log",
            say=say,
        )


def _run_dags(
    own: Place,
    children: Children,
    variables: dict[str, str],
    *,
    pipelines: Sequence[SamplePipeline],
    days: Days,
    say: Callable[[str], None],
) -> tuple[Run, ...]:
    first, *others = (
        [
            pipeline.dag_id,
            *(
                part
                for run in pipeline.demo
                for part in ("--conf", json.dumps({**run.params, "snapshot": days.of(run)}))
            ),
        ]
        for pipeline in pipelines
    )
    events = own.state / "events.jsonl"
    events.unlink(missing_ok=True)
    dag_ids = " and ".join(pipeline.dag_id for pipeline in pipelines)
    is_large = any(pipeline in LARGE_PIPELINES for pipeline in pipelines)
    each = "one to two minutes" if is_large else "half a minute"
    say(f"starting Airflow's tasks: the runs of {dag_ids} ({each} each)")
    child = children.start(
        Program(
            name="airflow",
            command=(
                # -P: the import path of the tasks is Airflow's; this package is not on it.
                *(sys.executable, "-P", str(_DAG_RUNS), "--events", str(events), *first),
                *(part for other in others for part in ("--then", *other)),
            ),
            environment=variables,
            folder=own.airflow_home,
            log=own.state / "airflow.log",
            stage=_AIRFLOW,
        )
    )
    control.write_record(own, control.record_of(children.running))
    wanted = [(pipeline.name, run.name) for pipeline in pipelines for run in pipeline.demo]
    follower = _follow(events, wanted, say)
    runs: tuple[Run, ...] = ()

    def ended() -> bool:
        nonlocal runs
        has_ended = child.has_ended()
        runs = next(follower)
        return has_ended

    children.wait(ended, _RUNS_S, child=child, may_end=True)
    if child.exit_code() != 0 and len(runs) < len(wanted):
        raise ProgramEndedError(obituary(child))
    return runs


def _follow(
    events: Path, wanted: Sequence[tuple[str, str]], say: Callable[[str], None]
) -> Iterator[tuple[Run, ...]]:
    """Tell what is new in the file of events; yield the runs that have ended, at each look.

    Args:
        events: The file, once it is there.
        wanted: The pipeline and name of each run, in their order.
        say: Is told.
    """
    runs: list[Run] = []
    seconds: dict[str, float] = {}
    with contextlib.ExitStack() as stack:
        file = None
        rest = ""
        while True:
            if file is None and events.exists():
                file = stack.enter_context(events.open())
            rest += file.read() if file else ""
            *lines, rest = rest.split("\n")
            for line in lines:
                pipeline, name = wanted[min(len(runs), len(wanted) - 1)]
                match json.loads(line):
                    case {"event": "run_began"}:
                        seconds = {}
                    case {"event": "task_ended", "task": task, "state": state, "seconds": took}:
                        if state != "skipped":
                            seconds[task] = took
                        say(f"{name}: {task} {state} after {took:.1f} s")
                    case {"event": "run_ended", "run_id": run_id, "state": state, "params": params}:
                        say(f"{name}: the run ended as {state}")
                        runs.append(Run(pipeline, name, run_id, state, params, seconds))
            yield tuple(runs)
