"""An author's project in a folder of its own: DAG files, scripts, and an Airflow that runs them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retraining import naming
from retraining.runs import snapshots

from local_stack.services import environment
from local_stack.services.environment import BUCKET
from tests.dags.airflow_place import airflow_variables

ROOT = Path(__file__).resolve().parents[2]
TICKETS = Path(__file__).with_name("tickets")
KIT = ROOT / "include" / "scripts" / "kit"


@dataclass(frozen=True, slots=True)
class Project:
    """A folder with ``dags`` and ``include/scripts``, on an embedded SageMaker.

    Attributes:
        folder: The folder.
        sagemaker: The embedded SageMaker.
        variables: The environment of an Airflow process.
    """

    folder: Path
    sagemaker: Any
    variables: dict[str, str]

    def run(self, *wanted: tuple[str, dict[str, Any]]) -> tuple[list[dict[str, Any]], str]:
        """Run DAGs one after the other in one process; return how each run ended, and the log."""
        said: list[str] = []
        for dag_id, conf in wanted:
            said += [*(["--then", dag_id] if said else [dag_id]), "--conf", json.dumps(conf)]
        events = self.folder / f"events-{len([*self.folder.glob('events-*')])}.jsonl"
        ended = subprocess.run(
            [
                *(sys.executable, "-P", str(ROOT / "local_stack/commands/dag_runs.py")),
                *("--events", str(events), *said),
            ],
            env=self.variables,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=400,
            check=False,
        )
        lines = [json.loads(line) for line in events.read_text().splitlines()]
        runs = [line for line in lines if line["event"] == "run_ended"]
        assert len(runs) == len(wanted), ended.stdout[-5000:]
        return runs, ended.stdout

    def land(self, pipeline: str, date: str, files: dict[str, bytes]) -> None:
        """Land a complete snapshot."""
        uri = naming.snapshot_uri(BUCKET, pipeline, date)
        for name, content in {**files, snapshots.MARKER: b""}.items():
            self.put(f"{uri}{name}", content)

    def put(self, uri: str, content: bytes) -> None:
        """Write an object."""
        bucket, key = naming.split_s3_uri(uri)
        self.sagemaker.client("s3").put_object(Bucket=bucket, Key=key, Body=content)

    def read(self, uri: str) -> bytes:
        """Read an object."""
        bucket, key = naming.split_s3_uri(uri)
        body: bytes = self.sagemaker.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
        return body

    def write(self, path: str, content: str) -> None:
        """Write a file of the project."""
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, encoding="utf-8")


def new_project(folder: Path, sagemaker: Any, database: Path, **variables: str) -> Project:
    """Make a project without a pipeline, and its bucket.

    Args:
        folder: Is made.
        sagemaker: The embedded SageMaker.
        database: What its Airflow's database is a copy of.
        variables: Of its Airflow, besides the usual ones.
    """
    (folder / "dags").mkdir(parents=True)
    shutil.copytree(
        KIT, folder / "include/scripts/kit", ignore=shutil.ignore_patterns("__pycache__")
    )
    sagemaker.client("s3").create_bucket(Bucket=BUCKET)
    usual = airflow_variables(folder)
    shutil.copy(database, Path(usual["AIRFLOW_HOME"]) / database.name)
    return Project(
        folder,
        sagemaker,
        usual
        | environment.embedded_aws_environment(sagemaker.url)
        | environment.retraining_environment()
        | {"AIRFLOW__CORE__DAGS_FOLDER": str(folder / "dags")}
        | variables,
    )


def empty_database(folder: Path) -> Path:
    """Make Airflow's database below a folder, to be copied into projects."""
    subprocess.run(
        [sys.executable, "-m", "airflow", "db", "migrate"],
        env=airflow_variables(folder),
        cwd=folder,
        check=True,
        capture_output=True,
    )
    return folder / "airflow" / "airflow.db"
