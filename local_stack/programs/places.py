"""Where things lie: the folders of one place on this machine."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
# Where `make setup` puts real data.
SAMPLE_DATA = PROJECT / ".local" / "sample-data"


@dataclass(frozen=True, slots=True)
class Place:
    """The folders of one local Airflow with its embedded SageMaker.

    Attributes:
        project: The folder with ``dags/``, ``plugins/``, ``include/`` and ``local_sagemaker/``.
        state: The folder below which all lies that the place makes and keeps.
        images: The environments that stand in for SageMaker's images.
    """

    project: Path
    state: Path
    images: Path

    @property
    def dags(self) -> Path:
        """The folder of DAG files."""
        return self.project / "dags"

    @property
    def plugins(self) -> Path:
        """The folder of the library and the Airflow plugin."""
        return self.project / "plugins"

    @property
    def airflow_home(self) -> Path:
        """AIRFLOW_HOME."""
        return self.state / "airflow"

    @property
    def logs(self) -> Path:
        """One log file a program."""
        return self.state / "logs"

    @property
    def postgres(self) -> Path:
        """The database's files and its socket."""
        return self.state / "postgres"

    @property
    def sagemaker(self) -> Path:
        """The embedded SageMaker's objects, jobs and registry."""
        return self.state / "sagemaker"

    @property
    def control(self) -> Path:
        """What starting and stopping need to know: lock, process ids, secrets."""
        return self.state / "up"

    @property
    def secrets(self) -> Path:
        """The keys and the password that were made for it."""
        return self.control / "secrets.json"

    @property
    def passwords(self) -> Path:
        """The simple auth manager's file of passwords."""
        return self.control / "passwords.json"


def local_place(project: Path = PROJECT, state: Path | None = None) -> Place:
    """Return the place of a checkout.

    Args:
        project: The folder of its DAGs, library and programs.
        state: Another folder than ``.local`` for what the place makes.
    """
    local = PROJECT / ".local"
    return Place(project, (state or local).resolve(), images=local / "images")


def git_commit(project: Path) -> str | None:
    """Return the commit that is checked out, or None where there is no git or no repository."""
    try:
        answer = subprocess.run(
            ["git", "-C", str(project), "rev-parse", "HEAD"],
            check=True,
            capture_output=True,
            text=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip() or None
