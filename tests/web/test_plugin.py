"""Every task start loads the plugin, so it must cost next to nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
# What a task process has paid for before it loads plugins.
MEASURE = """
import json, sys, time
from airflow.sdk.plugins_manager import AirflowPlugin
from airflow.sdk import DAG
before = set(sys.modules)
begin = time.process_time()
import retraining_plugin
retraining_plugin.RetrainingPlugin().listeners
seconds = time.process_time() - begin
print(json.dumps([seconds, sorted(set(sys.modules) - before)]))
"""


def test_loading_the_plugin_imports_neither_the_app_nor_the_database() -> None:
    answer = subprocess.run(
        [sys.executable, "-c", MEASURE],
        env={"PYTHONPATH": str(PLUGINS), "PATH": "/usr/bin:/bin", "HOME": "/nonexistent"}
        | {"AIRFLOW_HOME": str(PLUGINS.parent / ".local" / "tests" / "airflow")},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    seconds, modules = json.loads(answer.stdout.splitlines()[-1])
    assert "retraining_plugin" in modules
    heavy = (
        "fastapi",
        "sqlalchemy",
        "boto3",
        "botocore",
        "retraining.web",
        "retraining.plugin.links",
    )
    assert [name for name in modules if name.startswith(heavy)] == []
    # 20 ms of processor time is what it may cost; other work on the machine does not count.
    assert seconds < 0.02, f"{seconds * 1000:.1f} ms for {modules}"
