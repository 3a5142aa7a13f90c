"""Airflow's database schema: brought up once for each version of Airflow, as it takes seconds."""

from __future__ import annotations

import contextlib
import importlib.metadata
import sys
from typing import TYPE_CHECKING

from local_stack.processes import Children, Program

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_MIGRATE_S = 180.0


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
    """Run ``airflow db migrate``.

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
    command = (sys.executable, "-m", "airflow", "db", "migrate")
    program = Program("db-migrate", command, environment, folder, log, stage=1)
    children.run(program, _MIGRATE_S)
    marker.write_text(importlib.metadata.version("apache-airflow"))
