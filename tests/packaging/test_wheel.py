"""The wheel beside an Airflow project that is not this one: what is in it, and a run with it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from retraining import naming
from retraining.runs import snapshots

from local_stack.services.environment import (
    IMAGE_URIS,
    ROLE_ARN,
    AirflowSettings,
    airflow_environment,
    inherited,
)
from tests.packaging.environment import ROOT, Environment, build_wheel, new_environment

if TYPE_CHECKING:
    from collections.abc import Mapping

BUCKET = "a-user-of-the-wheel"
NAME, DATE = "flat-rents", "2026-11-20"
RUN = ROOT / "local_stack" / "commands" / "dag_runs.py"  # imports Airflow alone
PAGE = """
import json
from airflow.api_fastapi.app import create_app
from fastapi.testclient import TestClient

client = TestClient(create_app())
token = client.get("/auth/token").json()["access_token"]
client.headers["Authorization"] = f"Bearer {token}"
found = [client.get(f"/model-quality/{path}") for path in PATHS]
print(json.dumps([[answer.status_code, answer.text] for answer in found]))
"""


IMPORTS = """
import importlib, importlib.util, json, pkgutil, sys
from airflow.dag_processing.dagbag import BundleDagBag
import retraining

for module in pkgutil.walk_packages(retraining.__path__, "retraining."):
    if not module.name.startswith("retraining.kit"):  # it runs in the images of the jobs
        importlib.import_module(module.name)
bag = BundleDagBag(dag_folder=sys.argv[1], bundle_path=sys.argv[1], bundle_name="dags-folder")
there = [name for name in sys.argv[2:] if importlib.util.find_spec(name)]
print(json.dumps([retraining.__file__, there, bag.import_errors, sorted(bag.dags)]))
"""


PACK = """
import json, sys
from pathlib import Path
from retraining.runs.code_archive import read_scripts, scripts_folder

folder = scripts_folder(sys.argv[1]) / "flat_rents"
print(json.dumps(sorted(read_scripts(folder).files)))
"""


@dataclass(frozen=True, slots=True)
class Project:
    """A user's Airflow project in a folder of its own, and the Airflow that has the wheel."""

    environment: Environment
    folder: Path
    variables: Mapping[str, str]
    sagemaker: Any

    def python(self, *arguments: str, **variables: str) -> str:
        return self.environment.run(
            *arguments, variables={**self.variables, **variables}, folder=self.folder
        )

    def listed(self, *command: str, **variables: str) -> list[dict[str, Any]]:
        """Return what a command of Airflow's lists, which it prints after its warnings."""
        printed = self.python("-m", "airflow", *command, "--output", "json", **variables)
        items: list[dict[str, Any]] = json.loads(printed.splitlines()[-1])
        return items

    def retrain_and_deploy(self) -> list[dict[str, Any]]:
        """Run both DAGs, and approve what the first one registers; return how they ended."""
        events = self.folder.parent / "events.jsonl"
        approved = ("--conf", json.dumps({"approval_status": "Approved"}))
        dags = ("flat_rents_retraining", *approved, "--then", "flat_rents_deployment")
        self.python("-P", str(RUN), *dags, "--conf", "{}", "--events", str(events))
        told = map(json.loads, events.read_text().splitlines())
        return [event for event in told if event["event"] == "run_ended"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def project(
    tmp_path_factory: pytest.TempPathFactory, wheel: Path, embedded_sagemaker: Any
) -> Project:
    base = tmp_path_factory.mktemp("user")
    folder = shutil.copytree(Path(__file__).with_name("project"), base / "project")
    home = base / "airflow"
    variables = {
        **inherited(os.environ),
        **airflow_environment(
            AirflowSettings(
                dags=folder / "dags",
                plugins=folder / "plugins",  # there is none
                home=home,
                executor="LocalExecutor",
                database_url=f"sqlite:///{home / 'airflow.db'}",
                base_url="http://127.0.0.1:9",
                execution_url="http://127.0.0.1:9/execution/",
                api_host="127.0.0.1",
                api_port=9,
                passwords=home / "passwords.json",
                fernet_key="",
                jwt_secret="a secret of this test only, long enough for the algorithm, 64 bytes.",
                session_secret="another",
            )
        ),
        **embedded_sagemaker.environment,
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "RETRAINING_BUCKET": BUCKET,
        "RETRAINING_ROLE_ARN": ROLE_ARN,
        "RETRAINING_IMAGE_URIS": ",".join(f"{name}={uri}" for name, uri in IMAGE_URIS.items()),
    }
    s3 = embedded_sagemaker.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    rows = "".join(f"{20 + n % 90},{300 + 11 * (n % 90) + n % 7}\n" for n in range(1_200))
    _, prefix = naming.split_s3_uri(naming.snapshot_uri(BUCKET, NAME, DATE))
    s3.put_object(Bucket=BUCKET, Key=f"{prefix}flats.csv", Body=f"area,rent\n{rows}".encode())
    s3.put_object(Bucket=BUCKET, Key=f"{prefix}{snapshots.MARKER}", Body=b"")
    made = new_environment(base / "environment", wheel)
    project = Project(made, folder, variables, embedded_sagemaker)
    project.python("-m", "airflow", "db", "migrate")
    return project


def test_it_holds_the_library_and_the_kit_and_nothing_else(wheel: Path) -> None:
    there = {"plugins/retraining": "retraining", "include/scripts/kit": "retraining/kit"}
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", *there],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\0")
    wanted = {
        place + name.removeprefix(folder)
        for folder, place in there.items()
        for name in listed
        if name.startswith(f"{folder}/")
        and not name.startswith("plugins/retraining/web/vendor/")
        and (ROOT / name).is_file()
    }
    assert {"retraining/past_runs/report.html", "retraining/kit/failure.py"} < wanted
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if ".dist-info/" not in name]
    assert sorted(names) == sorted(wanted)


def test_it_is_the_same_from_another_folder_and_names_no_place_of_this_machine(
    wheel: Path, tmp_path: Path
) -> None:
    source = tmp_path / "elsewhere"
    for name in ("pyproject.toml", "docs/installing.md", "plugins/retraining", "include"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copy if (ROOT / name).is_file() else shutil.copytree
        copy(ROOT / name, source / name)
    for file in source.rglob("*.py"):
        os.utime(file, (1_000_000_000, 1_000_000_000))
    assert build_wheel(tmp_path, source=source).read_bytes() == wheel.read_bytes()
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            assert f"{ROOT}/".encode() not in archive.read(name), name


@pytest.mark.e2e
def test_all_of_it_is_imported_and_all_dags_are_parsed_without_its_extras(project: Project) -> None:
    others = ("matplotlib", "sagemaker", "sklearn", "pandas", "local_stack", "local_sagemaker")
    printed = project.python("-c", IMPORTS, str(ROOT / "dags"), *others)
    place, there, errors, dags = json.loads(printed.splitlines()[-1])
    assert place == str(project.environment.packages / "retraining" / "__init__.py")
    assert there == []
    assert errors == {}
    assert dags == sorted(path.stem for path in (ROOT / "dags").glob("*.py"))


def test_scripts_travel_with_the_wheels_kit_unless_there_is_one_beside_them(
    project: Project, tmp_path: Path
) -> None:
    (dag,) = project.folder.rglob("flat_rents_retraining.py")
    own = {f"{name}.py" for name in ("entry_point", "evaluate", "preprocess", "table", "train")}
    kit = {f"kit/{path.name}" for path in (ROOT / "include" / "scripts" / "kit").glob("*.py")}
    assert set(json.loads(project.python("-c", PACK, str(dag)))) == own | kit

    other = shutil.copytree(project.folder, tmp_path / "other")
    (other / "include" / "scripts" / "kit").mkdir()
    (other / "include" / "scripts" / "kit" / "mine.py").touch()
    dag = other / dag.relative_to(project.folder)
    assert set(json.loads(project.python("-c", PACK, str(dag)))) == own | {"kit/mine.py"}


@pytest.mark.e2e
def test_airflow_lists_the_package_and_its_plugin(project: Project) -> None:
    (listed,) = (
        item
        for item in project.listed("providers", "list")
        if item["package_name"] == "gated-retraining"
    )
    assert listed["version"] == "0.1.0"
    (plugin,) = project.listed("plugins")
    assert plugin["name"] == "retraining"
    assert plugin["source"].startswith("gated-retraining==0.1.0: ")


@pytest.mark.e2e
def test_the_plugins_folder_beside_it_is_one_plugin_still(project: Project) -> None:
    (plugin,) = project.listed("plugins", AIRFLOW__CORE__PLUGINS_FOLDER=str(ROOT / "plugins"))
    assert plugin["source"] == "$PLUGINS_FOLDER/retraining_plugin.py"


@pytest.mark.e2e
def test_a_users_model_is_trained_registered_and_served_and_the_page_shows_it(
    project: Project,
) -> None:
    retrained, deployed = project.retrain_and_deploy()
    assert retrained["tasks"]["register_model"] == "success"
    assert deployed["tasks"]["keep_version"] == "success"
    sagemaker = project.sagemaker.client("sagemaker")
    (version,) = sagemaker.list_model_packages(ModelPackageGroupName=NAME)[
        "ModelPackageSummaryList"
    ]
    assert version["ModelPackageVersion"] == 1
    answer = project.sagemaker.client("sagemaker-runtime").invoke_endpoint(
        EndpointName=NAME, ContentType="text/csv", Accept="text/csv", Body=b"100"
    )
    assert float(answer["Body"].read()) == pytest.approx(300 + 11 * 80, rel=0.02)
    sagemaker.delete_endpoint(EndpointName=NAME)

    paths = ("", "static/page.js", "static/chart.umd.min.js", "data/pipelines")
    printed = project.python("-c", f"PATHS = {paths}\n{PAGE}")
    statuses, texts = zip(*json.loads(printed.splitlines()[-1]), strict=True)
    assert statuses == (200,) * len(paths)
    assert NAME in texts[-1]
