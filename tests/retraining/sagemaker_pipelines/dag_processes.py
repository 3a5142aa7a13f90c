"""Runs of several DAGs in one process, which pays for building Airflow's API once."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.dags.place import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.dags.place import Place

DAGS = Path(__file__).with_name("dags")


def run_dags(
    place: Place,
    wanted: Mapping[str, Sequence[Mapping[str, Any]]],
    *,
    folder: Path = DAGS,
) -> tuple[list[dict[str, Any]], str]:
    """Run each DAG of a folder once for each conf; return how each run ended, and the log."""
    events = place.folder / f"events-{len(list(place.folder.iterdir()))}.jsonl"
    said = [next(iter(wanted)), "--events", str(events)]
    for dag_id, confs in wanted.items():
        said += ["--then", dag_id]
        said += [part for conf in confs for part in ("--conf", json.dumps(conf))]
    ended = subprocess.run(
        [sys.executable, "-P", str(ROOT / "local_stack/commands/dag_runs.py"), *said],
        env={
            **place.variables,
            "AIRFLOW__CORE__DAGS_FOLDER": str(folder),
        },
        cwd=place.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=550,
        check=False,
    )
    lines = [json.loads(line) for line in events.read_text().splitlines()]
    runs = [line for line in lines if line["event"] == "run_ended"]
    assert len(runs) == sum(map(len, wanted.values())), ended.stdout[-5000:]
    return runs, re.sub(r"\x1b\[[0-9;]*m", "", ended.stdout)
