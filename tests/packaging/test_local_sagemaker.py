"""The embedded SageMaker as a program of its own: its wheel, and the tour of a stranger."""

from __future__ import annotations

import json
import re
import subprocess
import zipfile
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from local_sagemaker import __version__
from local_sagemaker.coverage import coverage
from tests.packaging.environment import ROOT, Environment, build_wheel, new_environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SOURCE = ROOT / "local_sagemaker"
TOUR = (SOURCE / "TOUR.md").read_text(encoding="utf-8")
IMPORTS = """
import importlib, importlib.util, json, pkgutil, sys
import local_sagemaker

for module in pkgutil.walk_packages(local_sagemaker.__path__, "local_sagemaker."):
    if module.name != "local_sagemaker.__main__":
        importlib.import_module(module.name)
there = [name for name in sys.argv[1:] if importlib.util.find_spec(name)]
print(json.dumps([local_sagemaker.__file__, there]))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("wheel"), source=SOURCE)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Environment:
    return new_environment(tmp_path_factory.mktemp("stranger") / "environment", wheel)


def variables(home: Path) -> dict[str, str]:
    """What a shell of a user has who has never heard of this project."""
    return {"PATH": "/usr/bin:/bin", "HOME": str(home), "AWS_EC2_METADATA_DISABLED": "true"}


def run(installed: Environment, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(
        [installed.folder / "bin" / "local-sagemaker", *arguments],
        env=variables(home), cwd=home, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


@contextmanager
def serving(installed: Environment, home: Path, *options: str) -> Iterator[list[str]]:
    """Run the server; give the lines that it prints."""
    command = [installed.folder / "bin" / "local-sagemaker", "--start-jobs", "cold", *options]
    with (home / "log").open("a") as log, subprocess.Popen(
        command, env=variables(home), cwd=home, stdout=subprocess.PIPE, stderr=log, text=True
    ) as server:  # fmt: skip
        assert server.stdout is not None
        try:
            yield [server.stdout.readline() for _ in range(4)]
        finally:
            server.terminate()
            assert server.wait(timeout=60) == 0, (home / "log").read_text()


def test_it_holds_the_package_and_nothing_else(wheel: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "local_sagemaker"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    own = {"local_sagemaker/pyproject.toml", "local_sagemaker/TOUR.md"}
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        metadata = archive.read(f"local_sagemaker-{__version__}.dist-info/METADATA").decode()
    assert names == {name for name in listed if (ROOT / name).is_file()} - own
    assert TOUR in metadata


def test_all_of_it_is_imported_without_airflow_and_without_this_repository(
    installed: Environment, tmp_path: Path
) -> None:
    others = ("airflow", "retraining", "local_stack", "sagemaker", "pandas", "sklearn")
    printed = installed.run(
        "-c", IMPORTS, *others, variables=variables(tmp_path), folder=tmp_path
    )  # fmt: skip
    place, there = json.loads(printed.splitlines()[-1])
    assert place == str(installed.packages / "local_sagemaker" / "__init__.py")
    assert there == []


def test_a_stranger_is_told_what_to_do(installed: Environment, tmp_path: Path) -> None:
    assert run(installed, tmp_path, "--version").stdout == f"local-sagemaker {__version__}\n"
    told = run(installed, tmp_path, "--help").stdout
    assert "local-sagemaker images sklearn-1.4-2\n" in told
    assert "export AWS_ENDPOINT_URL=http://127.0.0.1:8090\n" in told
    home = tmp_path / ".local" / "share" / "local-sagemaker"
    assert f"{home}/state" in "".join(told.split())
    listed = run(installed, tmp_path, "images").stdout
    assert re.search(r"^sklearn-1\.4-2 +not made +sagemaker-scikit-learn:1\.4-2", listed, re.M)
    assert f"They lie in {home / 'images'}." in listed
    wrong = run(installed, tmp_path, "images", "sklearn")
    assert wrong.returncode == 2
    assert "there is no sklearn; there are sklearn-1.4-2, " in wrong.stderr


def test_the_tours_job_runs_with_the_variables_that_the_server_prints(
    installed: Environment, tmp_path: Path
) -> None:
    (job,) = re.findall(r"^cat >job\.py <<'END'\n(.*?)^END$", TOUR, re.MULTILINE | re.DOTALL)
    (told,) = re.findall(r"^```\n(pandas .*?)^```$", TOUR, re.MULTILINE | re.DOTALL)
    (tmp_path / "job.py").write_text(job)
    with serving(installed, tmp_path, "--images", str(ROOT / ".local" / "images")) as lines:
        exports = dict(re.findall(r"(AWS_\w+)=(\S+)", "".join(lines)))
        printed = installed.run(
            "job.py", variables={**variables(tmp_path), **exports}, folder=tmp_path
        )  # fmt: skip
    assert printed == told
    assert (tmp_path / ".local" / "share" / "local-sagemaker" / "state" / "state.sqlite").exists()
    assert "no image has an environment" not in (tmp_path / "log").read_text()


def test_the_tours_tables_are_the_codes() -> None:
    # python -m local_sagemaker.coverage local_sagemaker/TOUR.md
    assert f"<!-- coverage: begin -->\n{coverage()}<!-- coverage: end -->" in TOUR
