"""The command that tells what of definitions cannot be had, as the program that it is."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from retraining.sagemaker_pipelines.references import DefinitionError

from tests.retraining.sagemaker_pipelines.test_compiler import GET, condition, model

ROOT = Path(__file__).resolve().parents[3]
# As in a place where Airflow is not installed.
WITHOUT_AIRFLOW = """
import runpy, sys
sys.modules["airflow"] = None
runpy.run_module("retraining.sagemaker_pipelines", run_name="__main__", alter_sys=True)
"""
MALFORMED: dict[str, Any] = {
    "types": [condition("C", [{"Name": "Q", "Type": "QualityCheck", "Arguments": {}}]),
              {"Name": "E", "Type": "EMR", "Arguments": {}}],
    "reference": [model("A", {GET: "Steps.B.ModelName"})],
    "request": [{"Name": "A", "Type": "Model", "Arguments": {"Role": "r"}}],
    "no_group": [{"Name": "A", "Type": "RegisterModel", "Arguments": {}}],
    "circle": [model("A", DependsOn=["B"]), model("B", DependsOn=["A"])],
    "no_steps": [],
}  # fmt: skip


@pytest.fixture(scope="module")
def airflow(become_a_task: Any) -> SimpleNamespace:
    """The compiler in an Airflow of its own, imported after its home is known."""
    become_a_task(RETRAINING_BUCKET="checks")
    from retraining.sagemaker_pipelines.compiler import pipeline_dag  # noqa: PLC0415

    return SimpleNamespace(pipeline_dag=pipeline_dag)


def check(*files: Path) -> Any:
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_AIRFLOW, "check", *map(str, files)],
        env={"PYTHONPATH": str(ROOT / "plugins")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_definitions_that_can_be_had_are_told_with_what_a_run_must_give() -> None:
    files = [ROOT / f"include/pipelines/{name}.json" for name in ("abalone", "abalone_tuning")]
    ended = check(*files)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.splitlines() == [
        f"{files[0]}: pipeline abalone: all 6 steps run; a run must give SnapshotDate, CodeUri",
        (
            f"{files[1]}: pipeline abalone-tuning: all 8 steps run;"
            " a run must give SnapshotDate, CodeUri"
        ),
    ]


def test_what_cannot_be_had_is_told_in_the_words_of_the_dags_import_error(
    airflow: SimpleNamespace, tmp_path: Path
) -> None:
    expected = []
    for name, steps in MALFORMED.items():
        file = tmp_path / f"{name}.json"
        file.write_text(json.dumps({"Version": "2020-12-01", "Steps": steps}))
        with pytest.raises(DefinitionError) as raised:
            airflow.pipeline_dag(file)
        expected.append(f"{file}: {raised.value}")
    good, none = ROOT / "include/pipelines/abalone.json", tmp_path / "none.json"
    (tmp_path / "latin.json").write_bytes(b'{"Version": "\xe9"}')
    ended = check(*(tmp_path / f"{name}.json" for name in MALFORMED), good, none)
    assert ended.returncode == 1
    assert ended.stdout.startswith(f"{good}: pipeline abalone: all 6")
    assert ended.stderr.splitlines() == [*expected, f"{none}: No such file or directory"]
    assert "step Q: steps of the type QualityCheck" in expected[0]
    assert "step E: steps of the type EMR" in expected[0]
    ended = check(tmp_path / "latin.json", tmp_path)
    assert ended.returncode == 1
    first, second = ended.stderr.splitlines()
    assert "latin.json: pipeline latin: the definition is not JSON" in first
    assert second == f"{tmp_path}: Is a directory"


def test_what_describe_pipeline_answers_is_checked_under_its_own_name(tmp_path: Path) -> None:
    wire = json.dumps({"Version": "2020-12-01", "Steps": [model("A")]})
    file = tmp_path / "answer.json"
    file.write_text(json.dumps({"PipelineName": "Own", "PipelineDefinition": wire}))
    assert check(file).stdout == f"{file}: pipeline Own: all 1 steps run\n"
