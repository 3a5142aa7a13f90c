"""What docs/pipelines.md says is followed word for word, as a new user would."""

from __future__ import annotations

import dataclasses
import inspect
import json
import os
import re
import shlex
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import retraining
from retraining import Pipeline, params, steps

from local_stack.services.environment import BUCKET
from tests.front_door.project import KIT, ROOT, TICKETS, new_project
from tests.retraining.declarations import pipeline

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAGE = ROOT / "docs" / "pipelines.md"
EXAMPLE = PAGE.read_text(encoding="utf-8").split("## The declaration")[0]
FILE = re.compile(r"^`([\w/.]+)`\n\n```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
COMMANDS = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def files() -> dict[str, str]:
    found = FILE.findall(EXAMPLE)
    assert len(dict(found)) == len(found)
    return dict(found)


def section(title: str) -> str:
    text = PAGE.read_text(encoding="utf-8")
    return text.split(f"\n## {title}\n")[1].split("\n## ")[0]


def test_the_page_has_the_pipeline_that_is_tried() -> None:
    there = {
        str(file.relative_to(TICKETS)): file.read_text(encoding="utf-8")
        for file in TICKETS.rglob("*.py")
    }
    assert files() == there


def test_the_page_knows_every_field_and_every_step() -> None:
    fields = {field.name for field in dataclasses.fields(Pipeline)}
    assert {name for row in rows("The declaration") for name in re.findall(r"`(\w+)`", row[0])} == (
        fields
    )
    told = {name for row in rows("The steps") for name in re.findall(r"`(\w+)\(", row[0])}
    assert told == {
        name
        for name, function in vars(steps).items()
        if inspect.isfunction(function)
        and function.__module__ == steps.__name__
        and not name.startswith("_")
    }


def test_the_pages_parameters_are_those_that_dags_have() -> None:
    for told in (params.retraining(), params.deployment("<pipeline>")):
        table = "\n".join(params.table(told).strip().splitlines()[1:])
        assert f"\n{table}\n" in section("Parameters")


def test_the_pages_conditions_can_be_declared() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", section("The gate"), re.DOTALL)
    told: dict[str, Any] = {}
    exec(code, {name: getattr(retraining, name) for name in retraining.__all__}, told)
    assert len(pipeline("tickets", policy=told["policy"]).policy) == 3


def test_the_readme_leads_to_the_page() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    own = readme.split("## Your own data and model\n")[1].split("\n## ")[0]
    assert "[docs/pipelines.md](docs/pipelines.md)" in own
    for script in (TICKETS / "include/scripts/tickets").glob("*.py"):
        assert f"`{script.name}`" in own


def rows(title: str) -> list[list[str]]:
    lines = [line for line in section(title).splitlines() if line.startswith("| ")]
    return [line.strip("| ").split(" | ") for line in lines[1:] if "---" not in line]


@pytest.fixture
def checkout(
    tmp_path: Path, run_embedded_sagemaker: Any, database: Path
) -> Iterator[tuple[Path, Any]]:
    """A checkout in which `make up` runs, as far as the page's commands can tell."""
    with run_embedded_sagemaker(tmp_path / "sagemaker") as server:
        project = new_project(tmp_path / "checkout", server, database)
        (project.folder / ".venv").symlink_to(ROOT / ".venv")
        exports = [f"export {name}={shlex.quote(text)}" for name, text in project.variables.items()]
        project.write(".local/up/environment.sh", "\n".join(exports))
        yield project.folder, server


@pytest.mark.e2e
@pytest.mark.timeout(600)
def test_a_new_user_comes_from_the_page_to_an_endpoint(checkout: tuple[Path, Any]) -> None:
    folder, server = checkout
    assert sorted(path.name for path in folder.iterdir() if path.is_dir()) == [
        ".local", ".venv", "airflow", "dags", "include",
    ]  # fmt: skip
    assert [path.name for path in (folder / "include/scripts").iterdir()] == [KIT.name]
    for name, content in files().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")
    done = subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", "\n".join(COMMANDS.findall(EXAMPLE))],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:]
    answer = json.loads(done.stdout.splitlines()[-1])
    assert answer["desk"] == "Delivery"
    assert sum(answer["probabilities"].values()) == pytest.approx(1)
    sagemaker = server.client("sagemaker")
    (version,) = sagemaker.list_model_packages(ModelPackageGroupName="tickets")[
        "ModelPackageSummaryList"
    ]
    assert (version["ModelPackageVersion"], version["ModelApprovalStatus"]) == (1, "Approved")
    assert sagemaker.describe_endpoint(EndpointName="tickets")["EndpointStatus"] == "InService"
    keys = server.client("s3").list_objects_v2(Bucket=BUCKET, Prefix="tickets/")["Contents"]
    assert {"snapshots", "code", "runs"} <= {item["Key"].split("/")[1] for item in keys}
