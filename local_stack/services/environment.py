"""The environment variables of every Airflow process, spelled in one place.

``make up``, ``make demo`` and (checked by a test) ``docker-compose.yaml`` run Airflow on the same
settings. A child process gets these and a few harmless variables of the caller's, nothing else:
credentials, profiles and Airflow settings of the caller's shell cannot leak in, so a real AWS
account is never touched.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from local_stack.programs.keys import ADMIN
from local_stack.programs.ports import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from local_stack.programs.keys import Keys
    from local_stack.programs.places import Place

REGION = "us-east-1"
ACCOUNT = "123456789012"
BUCKET = "gated-retraining-local"
ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/gated-retraining-local"
# Those images that the embedded SageMaker has environments for, as the SageMaker SDK names them.
# Saying so spares each run the four seconds that importing the SDK takes.
_REGISTRY = "683313688378.dkr.ecr.us-east-1.amazonaws.com"
_DEEP_LEARNING = "763104351884.dkr.ecr.us-east-1.amazonaws.com"
SKLEARN_IMAGE_URI = f"{_REGISTRY}/sagemaker-scikit-learn:1.4-2-py312-cpu-py3"
IMAGE_URIS: Mapping[str, str] = {
    "sklearn:1.4-2-py312": SKLEARN_IMAGE_URI,
    "xgboost:3.0-5": f"{_REGISTRY}/sagemaker-xgboost:3.0-5",
    "xgboost:1.7-1": f"{_REGISTRY}/sagemaker-xgboost:1.7-1",
    "pytorch:2.6.0:training": f"{_DEEP_LEARNING}/pytorch-training:2.6.0-cpu-py312",
    "pytorch:2.6.0:inference": f"{_DEEP_LEARNING}/pytorch-inference:2.6.0-cpu-py312",
}
# The library's default. So many jobs keep two cores busy while other runs wait for theirs.
JOB_POOL = "sagemaker_jobs"
JOB_SLOTS = 4

# Of the caller's environment: what programs need to find their files and speak the person's
# language. No AWS_*, AIRFLOW_*, PYTHON*, PG* and no proxy: all traffic stays on this machine.
_KEPT = frozenset({"PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "LANG", "TZ", "TMPDIR"})

# Measured on two cores: a six-task run takes 3.4 s with these instead of 8.5 s, an idle Airflow
# 1.8 GB instead of 5.5 GB. Below 0.2 s the scheduler's sleep costs half a core when idle.
# The process that watches a task often misses its end and looks again when a heartbeat is due: with
# Airflow's five seconds 30 runs of eight empty tasks take 74 s, with one second 22 s.
LATENCY: Mapping[str, str] = {
    "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
    "AIRFLOW__SCHEDULER__TRIGGER_TIMEOUT_CHECK_INTERVAL": "5",
    "AIRFLOW__CORE__PARALLELISM": "8",
    "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
    "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "10",
    "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "10",
}


@dataclass(frozen=True, slots=True)
class AirflowSettings:
    """What differs between one Airflow and another.

    Attributes:
        dags: The folder of DAG files.
        plugins: The folder of plugins, on the import path of every Airflow process.
        home: AIRFLOW_HOME: logs and the generated configuration.
        executor: LocalExecutor, CeleryExecutor …
        database_url: SQLAlchemy's URL of the metadata database.
        base_url: Where people find the UI.
        execution_url: Where task processes find the API server.
        api_host: The address that the API server binds to.
        api_port: Its port.
        passwords: The simple auth manager's file of passwords.
        fernet_key: Encrypts connections in the database.
        jwt_secret: Signs the tokens of people and tasks.
        session_secret: Signs the UI's sessions.
    """

    dags: Path
    plugins: Path
    home: Path
    executor: str
    database_url: str
    base_url: str
    execution_url: str
    api_host: str
    api_port: int
    passwords: Path
    fernet_key: str
    jwt_secret: str
    session_secret: str


def airflow_environment(settings: AirflowSettings) -> dict[str, str]:
    """Return the variables that make an Airflow process part of this Airflow."""
    return {
        "AIRFLOW_HOME": str(settings.home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(settings.dags),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(settings.plugins),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__EXECUTOR": settings.executor,
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__FERNET_KEY": settings.fernet_key,
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": settings.execution_url,
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{ADMIN}:admin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(settings.passwords),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": settings.database_url,
        "AIRFLOW__API__HOST": settings.api_host,
        "AIRFLOW__API__PORT": str(settings.api_port),
        "AIRFLOW__API__BASE_URL": settings.base_url,
        "AIRFLOW__API__SECRET_KEY": settings.session_secret,
        "AIRFLOW__API_AUTH__JWT_SECRET": settings.jwt_secret,
        # No login and no password in it: boto3 finds both, and the endpoint, by itself.
        "AIRFLOW_CONN_AWS_DEFAULT": '{"conn_type": "aws"}',
        **LATENCY,
    }


def local_airflow_environment(
    place: Place, port: int, *, database_url: str, secret: Keys, dags: Path | None = None
) -> dict[str, str]:
    """Return the variables of the Airflow of a place on this machine.

    Args:
        place: Its folders.
        port: The port of its API server, on loopback.
        database_url: SQLAlchemy's URL of the metadata database.
        secret: Its keys.
        dags: Another folder of DAG files than the project's.
    """
    url = f"http://{LOOPBACK}:{port}"
    return airflow_environment(
        AirflowSettings(
            dags=dags or place.dags,
            plugins=place.plugins,
            home=place.airflow_home,
            executor="LocalExecutor",
            database_url=database_url,
            base_url=url,
            execution_url=f"{url}/execution/",
            api_host=LOOPBACK,
            api_port=port,
            passwords=place.passwords,
            fernet_key=secret.fernet,
            jwt_secret=secret.jwt,
            session_secret=secret.session,
        )
    )


def embedded_aws_environment(sagemaker_url: str) -> dict[str, str]:
    """Return the variables that send every AWS call to the embedded SageMaker.

    The credentials are words, not secrets: the embedded SageMaker asks for some and checks none.
    """
    return {
        "AWS_ENDPOINT_URL": sagemaker_url,
        "AWS_ACCESS_KEY_ID": "embedded",
        "AWS_SECRET_ACCESS_KEY": "embedded",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        # The caller's own profiles could name another endpoint or another account.
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def retraining_environment(*, git_commit: str | None = None) -> dict[str, str]:
    """Return the library's own settings for the embedded SageMaker.

    Args:
        git_commit: The commit that is checked out, where that is known.
    """
    return {
        "RETRAINING_BUCKET": BUCKET,
        "RETRAINING_ROLE_ARN": ROLE_ARN,
        "RETRAINING_IMAGE_URIS": ",".join(f"{name}={uri}" for name, uri in IMAGE_URIS.items()),
        "RETRAINING_GIT_COMMIT": git_commit or "",
        "RETRAINING_STOP_ORPHANS": "true",
    }


def inherited(caller: Mapping[str, str]) -> dict[str, str]:
    """Return the part of the caller's environment that a child process may see."""
    return {
        name: value for name, value in caller.items() if name in _KEPT or name.startswith("LC_")
    }
