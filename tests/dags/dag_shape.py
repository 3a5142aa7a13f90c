"""Parse the DAG folder as Airflow does and print what is in it as JSON."""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path

from airflow.dag_processing.dagbag import BundleDagBag
from airflow.utils.dag_version_inflation_checker import check_dag_file_stability


def refuse(*_: object) -> None:
    """Stand in for the network: a DAG file must not need it."""
    raise AssertionError("a DAG file opened a connection while it was parsed")


socket.socket.connect = refuse  # type: ignore[assignment,method-assign]
folder = Path(sys.argv[1])
bag = BundleDagBag(dag_folder=folder, bundle_path=folder, bundle_name="dags-folder")
unstable = {}
for path in folder.glob("*.py"):
    result = check_dag_file_stability(str(path))
    if result.warnings:
        unstable[path.name] = [str(warning) for warning in result.warnings]
shape = {
    "errors": bag.import_errors,
    "dags": {
        dag_id: {
            "edges": sorted(
                [task.task_id, after] for task in dag.tasks for after in task.downstream_task_ids
            ),
            "tasks": dag.task_ids,
            "params": dag.params.dump(),
            "schemas": {name: dag.params.get_param(name).schema for name in dag.params},
            "catchup": dag.catchup,
            "doc": dag.doc_md,
        }
        for dag_id, dag in bag.dags.items()
    },
    "unstable": unstable,
    "modules": sorted(sys.modules),
}
print(json.dumps(shape))
