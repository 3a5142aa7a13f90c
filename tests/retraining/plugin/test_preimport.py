"""What the process that forks the tasks has loaded, a task need not load."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
START = """
import logging, runpy, sys
logging.basicConfig()
from retraining.plugin import preimport

class Scheduler:
    latest_heartbeat = None
"""


def run(tmp_path: Path, program: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW_CONN_AWS_DEFAULT": '{"conn_type": "aws"}',
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "nobody's",
        "AWS_SECRET_ACCESS_KEY": "nobody's",
        "AWS_CONFIG_FILE": "/dev/null",
        "PYTHONPATH": str(ROOT / "plugins"),
        **variables,
    }
    return subprocess.run(
        [sys.executable, "-c", START + program],
        capture_output=True,
        text=True,
        env=environment,
        cwd=tmp_path,
        check=True,
    )


def test_clients_are_made_without_reading_a_model(tmp_path: Path) -> None:
    ended = run(
        tmp_path,
        """
preimport.on_starting(Scheduler())
from botocore.loaders import JSONFileLoader
from retraining.aws import clients
load = JSONFileLoader.load_file
def told(self, path):
    print("read", path, file=sys.stderr)
    return load(self, path)
JSONFileLoader.load_file = told
for service in ("sagemaker", "s3", "logs", "s3"):
    print(clients.client(service).meta.service_model.service_name, file=sys.stderr)
""",
    )

    assert ended.stderr.split() == ["sagemaker", "s3", "logs", "s3"]


def test_a_dag_imports_nothing_of_the_library_anew(tmp_path: Path) -> None:
    ended = run(
        tmp_path,
        f"""
preimport.on_starting(Scheduler())
before = set(sys.modules)
for dag in ("california_housing_retraining", "california_housing_deployment", "abalone_retraining",
            "past_runs_report", "sagemaker_orphans"):
    runpy.run_path(f"{ROOT / "dags"}/{{dag}}.py")
print([name for name in set(sys.modules) - before if name.startswith("retraining")])
""",
    )

    assert ended.stdout.splitlines()[-1] == "[]"


def test_a_task_that_starts_loads_nothing_ahead(tmp_path: Path) -> None:
    ended = run(
        tmp_path,
        """
preimport.on_starting(object())
print([name for name in sys.modules if name.startswith("boto")])
""",
    )

    assert ended.stdout.splitlines()[-1] == "[]"


def test_a_scheduler_starts_even_if_no_client_can_be_made(tmp_path: Path) -> None:
    ended = run(tmp_path, "preimport.on_starting(Scheduler())", AWS_PROFILE="nobodys")

    assert "The config profile (nobodys) could not be found" in ended.stdout
