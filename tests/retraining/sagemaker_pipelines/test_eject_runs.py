"""Definitions and the files that they were ejected into, as whole runs of Airflow, side by side."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from retraining.registry import versions
from retraining.runs import code_archive
from retraining.sagemaker_pipelines.eject import ejected

from tests.dags.place import BUCKET, ROOT, Place, new_place
from tests.retraining.sagemaker_pipelines.dag_processes import run_dags
from tests.retraining.sagemaker_pipelines.test_eject_steps import SDK2, put_sdk2_scripts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.e2e

DATE = "2026-11-20"
COMPILED = """\"\"\"An Airflow DAG of a definition.\"\"\"
from retraining.sagemaker_pipelines import pipeline_dag

pipeline_dag({file!r}, dag_id={dag_id!r}, name={name!r}, snapshot={snapshot!r})
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, run_embedded_sagemaker: Any) -> Iterator[Place]:
    with new_place(tmp_path_factory.mktemp("ejected"), run_embedded_sagemaker) as place:
        table = (ROOT / ".local" / "sample-data" / "abalone.csv").read_bytes()
        place.land("abalone", DATE, table)
        yield place


def side_by_side(
    place: Place, file: Path, *confs: dict[str, Any], name: str, snapshot: str | None = None
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], str]:
    """Return how the runs of a definition have ended, those of its ejected DAG, and the log."""
    folder = place.folder / f"dags-{file.stem}"
    folder.mkdir()
    ids = file.stem, f"{file.stem}_ejected"
    said = {"file": str(file), "dag_id": ids[0], "name": name, "snapshot": snapshot}
    (folder / f"{ids[0]}.py").write_text(COMPILED.format(**said))
    text = ejected(file.read_bytes(), name, dag_id=ids[1], snapshot=snapshot)
    (folder / f"{ids[1]}.py").write_text(text)
    runs, log = run_dags(place, dict.fromkeys(ids, confs), folder=folder)
    return runs[: len(confs)], runs[len(confs) :], log


def ends(runs: list[dict[str, Any]]) -> list[tuple[str, dict[str, str]]]:
    return [(run["state"], run["tasks"]) for run in runs]


def test_the_tutorials_pipeline_ends_the_same_on_real_data(place: Place) -> None:
    archive = code_archive.read_scripts(ROOT / "include" / "scripts" / "abalone")
    uri = code_archive.upload(place.client("s3"), archive, bucket=BUCKET, pipeline="abalone")
    given = {"SnapshotDate": DATE, "CodeUri": uri.rstrip("/")}
    compiled, own, log = side_by_side(
        place, ROOT / "include/pipelines/abalone.json", given, given | {"MseThreshold": 2.0},
        name="abalone", snapshot="SnapshotDate",
    )  # fmt: skip
    assert ends(own) == ends(compiled), log[-5000:]
    assert [run["state"] for run in compiled] == ["success", "failed"], log[-5000:]
    first, second = place.versions("abalone-from-definition")
    # The jobs of the definition's run stand for the ejected one's: their content is the same.
    for member in ("InferenceSpecification", "ModelApprovalStatus", "ModelMetrics"):
        assert first[member] == second[member]
    noted = [{**version["CustomerMetadataProperties"]} for version in (first, second)]
    for own_to_each in (versions.FINGERPRINT, versions.RUN_URI, "run_id"):
        assert noted[0].pop(own_to_each) != noted[1].pop(own_to_each)
    assert noted[0] == noted[1]
    assert noted[0][versions.SNAPSHOT] == DATE


def test_conditions_of_sdk_2_decide_the_same(place: Place) -> None:
    put_sdk2_scripts(place.client("s3"))
    confs = [{}, {"Flag": False}, {"Text": "better", "MseThreshold": 1.5}]
    compiled, own, log = side_by_side(
        place, SDK2 / "conditions.json", *confs, name="sdk2-conditions"
    )
    assert ends(own) == ends(compiled), log[-5000:]
    for run, expected in zip(compiled, ("Yes", "No", "No"), strict=True):
        done = {task for task, state in run["tasks"].items() if state == "success"}
        assert done == {"Check", f"{expected}-CreateModel", "After-CreateModel"}
    client = place.client("sagemaker")
    told = [
        client.describe_model(ModelName=item["ModelName"])["PrimaryContainer"]["Environment"]
        for item in client.list_models(MaxResults=100)["Models"]
        if "-Yes-" in item["ModelName"]
    ]
    assert told == [{"VALUE": "good|1|6.0|True"}] * 2
    decisions = [
        json.loads(place.body(f"s3://{BUCKET}/{key}"))
        for key in place.objects("sdk2-conditions/runs/")
        if "/conditions/" in key
    ]
    said = [(item["verdict"], item["explanation"]) for item in decisions]
    assert len(said) == 6
    assert len({*said}) == 3
