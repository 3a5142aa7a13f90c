"""Run DAGs with real Airflow tasks, one run after the other in one process, and tell what happens.

A program of its own: Airflow reads its environment when it is imported, and writes a lot. The
first run in a process pays some ten seconds for building Airflow's in-process API; later ones
do not.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.configuration import conf as settings
from airflow.dag_processing.dagbag import BundleDagBag
from airflow.listeners import hookimpl
from airflow.sdk.listener import get_listener_manager

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from airflow.sdk import DAG


class EventFile:
    """Tells another process, line by line, what the runs are doing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._began: dict[str, float] = {}

    def write(self, **event: object) -> None:
        """Add one line of JSON."""
        with self._path.open("a") as file:
            file.write(json.dumps(event) + "\n")

    def forget(self) -> None:
        """Begin a new run."""
        self._began.clear()

    def began(self, task_id: str) -> None:
        """Note the first start of a task: a deferred one starts again when it resumes."""
        if task_id not in self._began:
            self._began[task_id] = time.monotonic()

    def ended(self, task_id: str, state: str) -> None:
        """Note the end of a task."""
        seconds = time.monotonic() - self._began.get(task_id, time.monotonic())
        self.write(event="task_ended", task=task_id, state=state, seconds=round(seconds, 2))


def run(wanted: Sequence[tuple[str, dict[str, Any]]], events: EventFile) -> bool:
    """Run DAGs of the configured folder.

    Args:
        wanted: The DAG and the configuration of each run.
        events: Gets what happens.

    Returns:
        Whether all runs succeeded.

    Raises:
        LookupError: There is no such DAG, or its file cannot be read; nothing has run.
    """
    _listen(events)
    dags = _dags({dag_id for dag_id, _ in wanted})
    # dag.test() leaves a run's configuration in the DAG's parameters, for the next run to find.
    parameters = {dag_id: dag.params.dump() for dag_id, dag in dags.items()}
    states = []
    for dag_id, conf in wanted:
        defaults = parameters[dag_id]
        events.forget()
        events.write(event="run_began", dag_id=dag_id, conf=conf)
        dag_run = dags[dag_id].test(run_conf=defaults | conf)
        states.append(str(dag_run.state.value))
        tasks = {ti.task_id: str(ti.state) for ti in dag_run.get_task_instances()}
        events.write(
            event="run_ended",
            dag_id=dag_id,
            run_id=dag_run.run_id,
            state=states[-1],
            params=defaults | conf,
            tasks=tasks,
        )
    return all(state == "success" for state in states)


def _dags(dag_ids: Collection[str]) -> dict[str, DAG]:
    folder = Path(settings.get("core", "dags_folder"))
    bag = BundleDagBag(dag_folder=folder, bundle_path=folder, bundle_name="dags-folder")
    missing = sorted(set(dag_ids) - set(bag.dags))
    if missing:
        errors = "".join(f"\n{file}:\n{text}" for file, text in bag.import_errors.items())
        raise LookupError(f"{folder} has no DAG {', '.join(missing)}.{errors}")
    return {dag_id: bag.dags[dag_id] for dag_id in dag_ids}


def _listen(events: EventFile) -> None:
    class Listener:
        # Airflow matches its hooks by name and parameters.

        @hookimpl
        def on_task_instance_running(self, task_instance: Any) -> None:
            events.began(task_instance.task_id)

        @hookimpl
        def on_task_instance_success(self, task_instance: Any) -> None:
            events.ended(task_instance.task_id, "success")

        @hookimpl
        def on_task_instance_skipped(self, task_instance: Any) -> None:
            events.ended(task_instance.task_id, "skipped")

        @hookimpl
        def on_task_instance_failed(self, task_instance: Any) -> None:
            events.ended(task_instance.task_id, "failed")

    get_listener_manager().add_listener(Listener())  # type: ignore[no-untyped-call]


def _wanted(dag_id: str, said: Sequence[str | dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    wanted: list[tuple[str, dict[str, Any]]] = []
    for item in said:
        if isinstance(item, dict):
            wanted.append((dag_id, item))
        else:
            dag_id = item
    return wanted or [(dag_id, {})]


def main() -> int:
    """Run what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dag_id")
    parser.add_argument("--events", type=Path, required=True, help="the file to write events to")
    # Both keep their order in one list: a --conf belongs to the DAG that was named last.
    said = partial(parser.add_argument, dest="said", action="append", default=[])
    said("--conf", type=json.loads, help="a run's configuration")
    said("--then", help="another DAG, whose runs follow")
    options = parser.parse_args()
    events = EventFile(options.events)
    events.write(event="ready")
    try:
        succeeded = run(_wanted(options.dag_id, options.said), events)
    except LookupError as error:
        sys.exit(str(error))
    return 0 if succeeded else 1


if __name__ == "__main__":
    sys.exit(main())
