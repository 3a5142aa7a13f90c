"""The variables of an Airflow that runs DAGs in one process: no servers, and SQLite."""

from __future__ import annotations

import os
from pathlib import Path

from local_stack.services import environment

ROOT = Path(__file__).resolve().parents[2]


def airflow_variables(folder: Path) -> dict[str, str]:
    """Return them; all that it writes lies below the folder."""
    home = folder / "airflow"
    home.mkdir(exist_ok=True)
    nowhere = "http://127.0.0.1:9"
    return environment.inherited(os.environ) | environment.airflow_environment(
        environment.AirflowSettings(
            dags=ROOT / "dags",
            plugins=ROOT / "plugins",
            home=home,
            executor="LocalExecutor",
            database_url=f"sqlite:///{home / 'airflow.db'}",
            base_url=nowhere,
            execution_url=f"{nowhere}/execution/",
            api_host="127.0.0.1",
            api_port=9,
            passwords=home / "passwords.json",
            fernet_key="",
            jwt_secret="a secret of this test only, long enough for the algorithm, 64 bytes.",
            session_secret="another",
        )
    )
