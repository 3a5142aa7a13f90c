"""``make demo`` for real."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import psutil
import pytest

from local_stack.programs.places import PROJECT

if TYPE_CHECKING:
    from pathlib import Path

# It has the name and the parameters, but judges and registers nothing.
IDLE_DAG = """
from airflow.sdk import DAG, Param, task

PARAMS = {"features": Param("raw"), "snapshot": Param(""), "r2_threshold": Param(0.6)}
with DAG("california_housing_retraining", schedule=None, params=PARAMS):
    @task
    def rest():
        pass
    rest()
"""


def demo(
    state: Path, project: Path = PROJECT, *, pipeline: str | None = "california_housing"
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            *(sys.executable, "-m", "local_stack"),
            *("--project", str(project), "--state", str(state), "demo"),
            *(("--pipeline", pipeline) if pipeline else ()),
        ],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )


def processes(state: Path) -> list[psutil.Process]:
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if str(state) in " ".join(process.info["cmdline"] or [])
    ]


@pytest.mark.e2e
def test_the_demo_rejects_one_model_of_each_pipeline_and_registers_the_other(
    tmp_path: Path,
) -> None:
    answer = demo(tmp_path / "state", pipeline=None)

    assert answer.returncode == 0, answer.stdout + answer.stderr
    table = [line.split() for line in answer.stdout.splitlines() if line.startswith("  ")]
    runs = {row[0]: row for row in table[1:4]}
    assert runs["raw"][2:4] == ["20,640", "0.5869"]
    assert runs["raw"][6:9] == ["reject", "not", "registered:"]
    assert runs["engineered"][2] == "20,640"
    assert float(runs["engineered"][3]) >= 0.6
    assert runs["engineered"][6] == "pass"
    assert re.fullmatch(
        r"arn:aws:sagemaker:us-east-1:123456789012:model-package/\S+/1", (runs["engineered"][7])
    )
    # Two words are its name.
    assert runs["other"][3:7] == ["20,640", "-", "-", "stopped"]
    assert "(column MedHouseVal)" in " ".join(runs["other"])
    steps = table[4]
    assert steps[0] == "seconds"
    assert {"preprocess", "train", "evaluate", "check_quality", "register_model"} <= set(steps)

    header, strict, tutorial, seconds, *_ = table[8:]
    assert (header[0], header[3], seconds[0]) == ("run", "mse", "seconds")
    assert (strict[0], strict[2], tutorial[0], tutorial[2]) == (
        *("strict", "4,177"),
        *("tutorial", "4,177"),
    )
    assert strict[4:9] == ["≤", "3.0", "reject", "not", "registered:"]
    assert tutorial[4:7] == ["≤", "6.0", "pass"]
    assert 3.0 < float(strict[3]) == float(tutorial[3]) <= 6.0
    assert re.fullmatch(r"arn:\S+:model-package/abalone/1", tutorial[7])
    assert [
        line for line in answer.stdout.splitlines() if line in {"california-housing", "abalone"}
    ]
    assert processes(tmp_path / "state") == []


@pytest.mark.e2e
def test_a_demo_in_which_nothing_was_judged_fails_and_says_so(tmp_path: Path) -> None:
    project = tmp_path / "project"
    (project / "dags").mkdir(parents=True)
    (project / "dags" / "california_housing_retraining.py").write_text(IDLE_DAG)
    for folder in ("plugins", "local_sagemaker"):
        (project / folder).symlink_to(PROJECT / folder)

    answer = demo(tmp_path / "state", project)

    assert answer.returncode == 1
    assert "the gate's verdict on raw features is no decision.json, not reject" in answer.stderr
    assert "the registry holds 0 versions, not 1" in answer.stderr
    assert f"Airflow's log: {tmp_path}/state/demo/airflow.log" in answer.stderr
    assert processes(tmp_path / "state") == []


@pytest.mark.e2e
def test_the_runs_of_several_pipelines_follow_each_other(tmp_path: Path) -> None:
    project = tmp_path / "project"
    (project / "dags").mkdir(parents=True)
    for name, parameters in (
        ("california_housing_retraining", '{"features": Param("raw"), "snapshot": Param("")}'),
        ("abalone_retraining", '{"mse_threshold": Param(6.0), "snapshot": Param("")}'),
    ):
        code = f"""
from airflow.sdk import DAG, Param, task

with DAG("{name}", schedule=None, params={parameters}):
    @task
    def tell(**context):
        print("given", context["dag"].dag_id, sorted(context["params"].items()))
    tell()
"""
        (project / "dags" / f"{name}.py").write_text(code)
    for folder in ("plugins", "local_sagemaker"):
        (project / folder).symlink_to(PROJECT / folder)

    answer = demo(tmp_path / "state", project, pipeline=None)

    log = (tmp_path / "state/demo/airflow.log").read_text()
    given = re.findall(r"given (\w+) \[\('(\w+)', ([^)]+)\)", log)
    assert given == [
        ("california_housing_retraining", "features", "'raw'"),
        ("california_housing_retraining", "features", "'engineered'"),
        ("california_housing_retraining", "features", "'engineered'"),
        ("abalone_retraining", "mse_threshold", "3.0"),
        ("abalone_retraining", "mse_threshold", "6.0"),
    ]
    names = [line.split()[0] for line in answer.stdout.splitlines() if line.startswith("  ")]
    assert names == [
        *("run", "raw", "engineered", "other", "seconds", "raw", "engineered", "other"),
        *("run", "strict", "tutorial", "seconds", "strict", "tutorial"),
    ]
    assert answer.returncode == 1
    assert "the gate's verdict on a strict threshold is no decision.json" in answer.stderr


def test_an_unknown_pipeline_starts_nothing(tmp_path: Path) -> None:
    answer = demo(tmp_path / "state", pipeline="abalones")
    assert answer.returncode == 1
    assert answer.stderr == (
        "demo: there is no data for a pipeline 'abalones'; there is for california-housing, "
        "abalone, product-reviews\n"
    )
    assert not (tmp_path / "state").exists()


def test_a_demo_whose_dag_cannot_be_read_fails_and_says_why(tmp_path: Path) -> None:
    project = tmp_path / "project"
    (project / "dags").mkdir(parents=True)
    (project / "dags" / "broken.py").write_text(
        "from airflow.sdk import DAG\nraise ValueError(7)\n"
    )
    for folder in ("plugins", "local_sagemaker"):
        (project / folder).symlink_to(PROJECT / folder)

    answer = demo(tmp_path / "state", project)

    assert answer.returncode == 1
    assert "has no DAG california_housing_retraining" in answer.stderr
    assert processes(tmp_path / "state") == []
