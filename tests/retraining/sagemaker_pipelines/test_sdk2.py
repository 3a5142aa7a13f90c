"""What the SageMaker SDK 2 writes: each definition is read whole, or refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from retraining.sagemaker_pipelines.definition import read
from retraining.sagemaker_pipelines.graph import nodes
from retraining.sagemaker_pipelines.references import DefinitionError
from retraining.sagemaker_pipelines.refusals import refusal

from tests.retraining.sagemaker_pipelines import conformance

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = Path(__file__).with_name("sdk2")
NAMES = sorted(file.stem for file in FOLDER.glob("*.json"))


def wire(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def steps_of(wire_steps: Any) -> Iterator[Any]:
    for step in wire_steps:
        yield step
        for arm in ("IfSteps", "ElseSteps"):
            yield from steps_of(step["Arguments"].get(arm, []))


def read_whole(name: str) -> str:
    """Return what is said of a definition: all its steps run, or which do not."""
    try:
        return f"all {len(nodes(read(json.dumps(wire(name)), 'p')))} steps run"
    except DefinitionError as error:
        return str(error)


@pytest.mark.parametrize("name", NAMES)
def test_a_definition_runs_whole_or_is_refused_by_name(name: str) -> None:
    found = {step["Name"]: step["Type"] for step in steps_of(wire(name)["Steps"])}
    refused = [text for item in found.items() if (text := refusal(*item))]
    expected = f"pipeline p: {'; '.join(refused)}" if refused else f"all {len(found)} steps run"
    assert read_whole(name) == expected


@pytest.fixture(scope="module")
def pipeline_dag(become_a_task: Any) -> Any:
    become_a_task(RETRAINING_BUCKET="sdk2")
    from retraining.sagemaker_pipelines.compiler import pipeline_dag  # noqa: PLC0415

    return pipeline_dag


def test_the_step_that_repacks_stands_between_training_and_registering(pipeline_dag: Any) -> None:
    dag = pipeline_dag(FOLDER / "script_mode.json")
    repack = dag.get_task("Register-RepackModel-0")
    assert repack.upstream_task_ids == {"Train", "CheckMse"}
    assert repack.downstream_task_ids == {"Register-RegisterModel"}
    assert dag.task_group_dict["CheckMse__if"].children.keys() == {
        "Register-RepackModel-0",
        "Register-RegisterModel",
    }


def test_a_pipeline_object_is_a_definition_too(pipeline_dag: Any) -> None:
    """Whatever builds it: only its name and ``definition()`` are asked for."""
    built = SimpleNamespace(
        name="Sdk2-ScriptMode", definition=(FOLDER / "script_mode.json").read_text
    )
    dag = pipeline_dag(built, max_active_tasks=2)
    file = pipeline_dag(FOLDER / "script_mode.json")
    assert (dag.dag_id, dag.max_active_tasks) == ("Sdk2_ScriptMode", 2)
    assert dag.task_ids == file.task_ids
    assert dag.tasks[0].compiled.definition.name == "Sdk2-ScriptMode"
    named = pipeline_dag(built, dag_id="own", name="other").tasks[0]
    assert (named.dag.dag_id, named.compiled.definition.name) == ("own", "other")
    with pytest.raises(DefinitionError, match=r"pipeline x: .*not JSON"):
        pipeline_dag(SimpleNamespace(name="x", definition=lambda: "{"))


def test_the_table_in_the_docs_is_what_sdk_2_writes() -> None:
    rows = []
    for name in NAMES:
        kinds = [step["Type"] for step in steps_of(wire(name)["Steps"])]
        said = read_whole(name).removeprefix("pipeline p: ")
        link = f"[{name}](../tests/retraining/sagemaker_pipelines/sdk2/{name}.json)"
        rows.append([link, ", ".join(dict.fromkeys(kinds)), said])
    made = conformance.markdown(["definition", "types of steps", "here"], rows)
    assert conformance.documented("sdk2", made) == made
