"""Airflow's database: its schema and the pool of jobs, made once for each version of Airflow."""

from __future__ import annotations

import contextlib
import importlib.metadata
import sys
from typing import TYPE_CHECKING

from local_stack.programs.processes import Children, Program
from local_stack.services.environment import JOB_POOL, JOB_SLOTS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_MIGRATE_S = 180.0
# Waiting for a job is deferred, so only with deferred tasks counted it caps the jobs.
_POOL = (JOB_POOL, str(JOB_SLOTS), "SageMaker jobs at once")


def is_current(marker: Path) -> bool:
    """Tell whether the database was migrated by the Airflow that is installed.

    Args:
        marker: The file that says so. It lies beside the database, so that it goes when that goes.
    """
    with contextlib.suppress(FileNotFoundError):
        return marker.read_text() == importlib.metadata.version("apache-airflow")
    return False


def migrate(
    children: Children,
    marker: Path,
    *,
    environment: Mapping[str, str],
    folder: Path,
    log: Path,
    say: Callable[[str], None],
) -> None:
    """Run ``airflow db migrate``, and make the pool of the tasks that run jobs.

    Args:
        children: Who is responsible for it.
        marker: The file that will say that it is done.
        environment: All of its variables.
        folder: Its working directory.
        log: The file that gets its output.
        say: Is told, as it takes a while.

    Raises:
        ProgramEndedError: It failed.
        NotReadyError: It took too long.
    """
    say("preparing Airflow's database (ten seconds, the first time only)")
    for command in (("db", "migrate"), ("pools", "set", *_POOL, "--include-deferred")):
        program = Program(
            f"airflow-{command[0]}",
            (sys.executable, "-m", "airflow", *command),
            environment,
            folder,
            log,
            stage=1,
        )
        children.run(program, _MIGRATE_S)
    marker.write_text(importlib.metadata.version("apache-airflow"))
