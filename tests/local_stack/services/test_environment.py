from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import boto3
import pytest
from retraining.settings import job_pool, settings

from local_stack.services import environment

SETTINGS = environment.AirflowSettings(
    dags=Path("/project/dags"),
    plugins=Path("/project/plugins"),
    home=Path("/state/airflow"),
    executor="LocalExecutor",
    database_url="postgresql+psycopg2://airflow@/airflow?host=/state/socket",
    base_url="http://127.0.0.1:8080",
    execution_url="http://127.0.0.1:8080/execution/",
    api_host="127.0.0.1",
    api_port=8080,
    passwords=Path("/state/passwords.json"),
    fernet_key="fernet",
    jwt_secret="jwt",
    session_secret="session",
)


def test_every_setting_reaches_airflow() -> None:
    for name in SETTINGS.__slots__:
        value = getattr(SETTINGS, name)
        other = value + 1 if isinstance(value, int) else type(value)(f"{value}x")
        changed = environment.airflow_environment(replace(SETTINGS, **{name: other}))
        assert changed != environment.airflow_environment(SETTINGS), name
        assert str(other) in changed.values(), name


# In a process of its own: importing Airflow makes AIRFLOW_HOME.
KNOWN_SETTINGS = """
import json
from airflow.configuration import conf
print(json.dumps([
    f"AIRFLOW__{section.upper()}__{option.upper()}"
    for section, content in conf.configuration_description.items()
    for option in content["options"]
]))
"""


def known_settings(home: Path) -> set[str]:
    answer = subprocess.run(
        [sys.executable, "-c", KNOWN_SETTINGS],
        env={"AIRFLOW_HOME": str(home)},
        capture_output=True,
        check=True,
        timeout=120,
    )
    return set(json.loads(answer.stdout.splitlines()[-1]))


def test_every_name_is_one_that_airflow_knows(tmp_path: Path) -> None:
    names = {n for n in environment.airflow_environment(SETTINGS) if n.startswith("AIRFLOW__")}
    assert names <= known_settings(tmp_path)


def test_the_aws_connection_carries_no_secret() -> None:
    variables = environment.airflow_environment(SETTINGS)
    assert json.loads(variables["AIRFLOW_CONN_AWS_DEFAULT"]) == {"conn_type": "aws"}


@pytest.mark.parametrize(
    "name",
    [
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_PROFILE",
        "AWS_DEFAULT_PROFILE",
        "AWS_ENDPOINT_URL_S3",
        "AWS_ENDPOINT_URL_SAGEMAKER",
        "AWS_CONFIG_FILE",
        "AWS_SHARED_CREDENTIALS_FILE",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AIRFLOW_HOME",
        "AIRFLOW__CORE__EXECUTOR",
        "AIRFLOW_CONN_AWS_DEFAULT",
        "RETRAINING_BUCKET",
        "PYTHONDONTWRITEBYTECODE",
        "PYTHONPATH",
        "PYTHONHOME",
        "VIRTUAL_ENV",
        "PGHOST",
        "PGPASSWORD",
        "HTTP_PROXY",
        "https_proxy",
        "MOTO_ACCOUNT_ID",
        "LD_PRELOAD",
    ],
)
def test_nothing_of_the_callers_shell_leaks_in(name: str) -> None:
    assert environment.inherited({name: "caller's"}) == {}


def test_what_programs_need_of_the_callers_shell_stays() -> None:
    caller = {"PATH": "/bin", "HOME": "/home/me", "LANG": "de_DE.UTF-8", "LC_ALL": "C", "TZ": "UTC"}
    assert environment.inherited(caller) == caller


def test_boto3_reaches_the_embedded_sagemaker_whatever_the_persons_own_aws_files_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").write_text(
        "[default]\naws_access_key_id = REAL\naws_secret_access_key = REAL\n"
    )
    (tmp_path / ".aws" / "config").write_text(
        "[default]\nregion = eu-central-1\nendpoint_url = https://real.example\n"
    )
    caller = {"HOME": str(tmp_path), "AWS_PROFILE": "production", "AWS_SESSION_TOKEN": "real"}
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_CONFIG_FILE"):
        monkeypatch.delenv(name, raising=False)
    variables = environment.inherited(caller) | environment.embedded_aws_environment(
        "http://127.0.0.1:4000"
    )
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    session = boto3.Session()
    credentials = session.get_credentials()

    assert credentials is not None
    assert (credentials.access_key, credentials.token) == ("embedded", None)
    for service in ("s3", "sagemaker", "sagemaker-runtime", "logs", "sts"):
        client = session.client(service)
        assert client.meta.endpoint_url == "http://127.0.0.1:4000"
        assert client.meta.region_name == "us-east-1"


def test_an_unknown_commit_is_left_empty() -> None:
    assert environment.retraining_environment()["RETRAINING_GIT_COMMIT"] == ""
    known = environment.retraining_environment(git_commit="abc1234")
    assert known["RETRAINING_GIT_COMMIT"] == "abc1234"


def test_the_library_accepts_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment.retraining_environment(git_commit="abc1234").items():
        monkeypatch.setenv(name, value)
    read = settings.__wrapped__()

    assert read.bucket == environment.BUCKET
    assert read.role_arn == environment.ROLE_ARN
    assert read.image_uris == environment.IMAGE_URIS
    assert read.git_commit == "abc1234"


def test_the_pool_that_set_up_makes_is_the_one_that_tasks_ask_for() -> None:
    assert job_pool() == environment.JOB_POOL
