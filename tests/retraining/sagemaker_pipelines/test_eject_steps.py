"""Definitions and the files that they were ejected into, task by task on the embedded SageMaker.

Whole runs by Airflow are in ``test_eject_runs.py``.
"""

from __future__ import annotations

import io
import json
import random
import re
import tarfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from retraining.sagemaker_pipelines.eject import ejected

from tests.retraining.sagemaker_pipelines.test_eject import dag_of
from tests.retraining.sagemaker_pipelines.test_operators import Run
from tests.retraining.sagemaker_pipelines.test_structures_beside_the_sdk import HERE, RUNS

BUCKET = "gated-retraining-local"
SDK2 = HERE / "sdk2"
# What SDK 2 puts beside the scripts of a step that repacks.
LAUNCHER = """
#!/bin/bash

var_dependencies="${SM_HP_DEPENDENCIES}"
var_inference_script="${SM_HP_INFERENCE_SCRIPT}"
var_model_archive="${SM_HP_MODEL_ARCHIVE}"
var_source_dir="${SM_HP_SOURCE_DIR}"

python _repack_model.py \\
--dependencies "${var_dependencies}" \\
--inference_script "${var_inference_script}" \\
--model_archive "${var_model_archive}" \\
--source_dir "${var_source_dir}"
"""
CASES: list[tuple[Path, list[dict[str, Any]]]] = [
    *((HERE / "definitions" / f"{name}.json", confs) for name, confs in RUNS.items()),
    (SDK2 / "conditions.json", [{}, {"Flag": False}, {"Text": "better", "MseThreshold": 1.5}]),
]


def put_sdk2_scripts(s3: Any) -> str:
    """Put what SDK 2's definitions read where they have it; return where the data lies."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for file in (SDK2 / "code").glob("*.py"):
            tar.add(file, file.name)
        tar.add(SDK2 / "repack_model.txt", "_repack_model.py")
        launcher = tarfile.TarInfo("_repack_script_launcher.sh")
        launcher.size = len(LAUNCHER)
        tar.addfile(launcher, io.BytesIO(LAUNCHER.encode()))
    for name in ("script_mode", "tuning"):
        text = (SDK2 / f"{name}.json").read_text(encoding="utf-8")
        for key in set(re.findall(rf's3://{BUCKET}/([^"\\]+\.(?:py|gz))', text)):
            script = SDK2 / "code" / Path(key).name
            body = archive.getvalue() if key.endswith(".gz") else script.read_bytes()
            s3.put_object(Bucket=BUCKET, Key=key, Body=body)
    draw = random.Random(3)
    measured = [(draw.random() * 9, draw.random() * 9) for _ in range(400)]
    rows = [f"{2 * a - 3 * b + draw.gauss(0, 1):.4f},{a:.4f},{b:.4f}\n" for a, b in measured]
    s3.put_object(Bucket=BUCKET, Key="sdk2/raw/rows.csv", Body="".join(rows).encode())
    s3.put_object(Bucket=BUCKET, Key="structures/model.tar.gz", Body=b"no model")
    return f"s3://{BUCKET}/sdk2/raw"


@pytest.fixture(scope="module")
def airflow(become_a_task: Any, embedded_sagemaker: Any) -> SimpleNamespace:
    """The compiler in an Airflow of its own, imported after its home is known."""
    become_a_task(RETRAINING_BUCKET=BUCKET)
    s3 = embedded_sagemaker.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    put_sdk2_scripts(s3)
    from airflow.sdk.exceptions import (  # noqa: PLC0415
        AirflowFailException,
        AirflowSkipException,
        DownstreamTasksSkipped,
        TaskDeferred,
    )
    from retraining.sagemaker_pipelines.compiler import pipeline_dag  # noqa: PLC0415

    return SimpleNamespace(
        pipeline_dag=pipeline_dag,
        Fail=AirflowFailException,
        Skip=AirflowSkipException,
        Skipped=DownstreamTasksSkipped,
        Deferred=TaskDeferred,
    )


def executed(airflow: SimpleNamespace, run: Run, conf: dict[str, Any]) -> dict[str, Any]:
    """Execute a run's tasks by Airflow's rule `all_success`; return how each of them ended."""
    ends: dict[str, Any] = {}
    not_taken: set[str] = set()
    run.states = {}
    for task in run.dag.topological_sort():
        name = task.task_id
        before = {run.states[other] for other in task.upstream_task_ids}
        if name in not_taken or "skipped" in before:
            run.states[name] = "skipped"
        elif before - {"success"}:
            run.states[name] = "upstream_failed"
        else:
            run.states[name], ends[name] = _ended(airflow, run, name, conf)
            if isinstance(ends[name], list):
                not_taken |= {*ends[name]}
    return {"states": run.states, "ends": ends, "results": run.results}


def _ended(airflow: SimpleNamespace, run: Run, name: str, conf: dict[str, Any]) -> Any:
    while True:
        try:
            return "success", run.do(name, **conf)
        except airflow.Deferred:
            time.sleep(1)
        except airflow.Skipped as skipped:
            return "success", [*skipped.tasks]
        except airflow.Skip:
            return "skipped", None
        except airflow.Fail as failed:
            return "failed", str(failed)


def both(airflow: SimpleNamespace, file: Path, run_id: str) -> tuple[Run, Run]:
    """Return a run of a definition, and the same run of the DAG that it was ejected into.

    They have the same names for all, so that the second finds what the first has made.
    """
    wire = json.loads(file.read_text(encoding="utf-8"))
    name = f"{'sdk2-' if file.parent == SDK2 else ''}{file.stem}".replace("_", "-")
    members = {"Parameters": wire["Parameters"]}
    first, second = (Run(airflow, *wire["Steps"], name=name, members=members) for _ in range(2))
    second.dag = dag_of(ejected(file.read_bytes(), name, dag_id=first.dag.dag_id))
    first.run_id = second.run_id = run_id
    return first, second


@pytest.mark.parametrize(
    ("file", "number"),
    [(file, number) for file, confs in CASES for number in range(len(confs))],
    ids=lambda value: getattr(value, "stem", value),
)
def test_a_run_of_an_ejected_dag_is_a_run_of_the_definition(
    airflow: SimpleNamespace, embedded_sagemaker: Any, file: Path, number: int
) -> None:
    """The same tasks end in the same way, and return the same; so do the decisions' records."""
    conf = dict(CASES)[file][number]
    s3 = embedded_sagemaker.client("s3")
    found = []
    for run in both(airflow, file, f"ejected__{number}"):
        found.append(executed(airflow, run, conf))
        prefix = f"{run.dag.tasks[0].compiled.definition.name}/runs/"
        # Other tests run the same definitions on this server.
        keys = [
            item
            for item in s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
            if f"/{run.run_id}/" in item["Key"]
        ]
        records = {
            item["Key"]: json.loads(s3.get_object(Bucket=BUCKET, Key=item["Key"])["Body"].read())
            for item in keys
        }
        assert records or not any(task.task_id.startswith("C") for task in run.dag.tasks)
        found[-1]["records"] = {key: {**item, "run": None, "decided_at": None, "written_at": None}
                                for key, item in records.items()}  # fmt: skip
        for item in keys:
            s3.delete_object(Bucket=BUCKET, Key=item["Key"])
    assert found[1] == found[0]


def test_scripts_of_sdk_2_train_are_judged_repacked_and_registered(
    airflow: SimpleNamespace, embedded_sagemaker: Any
) -> None:
    given = {"InputData": f"s3://{BUCKET}/sdk2/raw"}
    runs = both(airflow, SDK2 / "script_mode.json", "manual__1")
    ends = [executed(airflow, run, given) for run in runs]
    assert ends[0]["states"]["Register-RegisterModel"] == "success", ends[0]["ends"]
    # The second is the same run: it has found each job, and the version.
    assert ends[1] == ends[0]
    client, s3 = (embedded_sagemaker.client(name) for name in ("sagemaker", "s3"))
    (version,) = client.list_model_packages(ModelPackageGroupName="sdk2-script-mode")[
        "ModelPackageSummaryList"
    ]
    told = client.describe_model_package(ModelPackageName=version["ModelPackageArn"])
    (container,) = told["InferenceSpecification"]["Containers"]
    _, _, key = container["ModelDataUrl"].removeprefix("s3://").partition("/")
    body = s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        names = {name.removeprefix("./") for name in archive.getnames()}
    assert {"model.joblib", "code/inference.py"} <= names

    strict = [
        executed(airflow, run, given | {"MseThreshold": 0.5})
        for run in both(airflow, SDK2 / "script_mode.json", "manual__2")
    ]
    assert strict[1] == strict[0]
    assert strict[0]["states"]["Register-RepackModel-0"] == "skipped"
    assert strict[0]["ends"]["TooLarge"] == "Execution failed due to MSE > 0.5"


def test_a_tuned_model_of_sdk_2_scores_and_is_registered(
    airflow: SimpleNamespace, embedded_sagemaker: Any
) -> None:
    given = {"InputData": f"s3://{BUCKET}/sdk2/raw"}
    first, second = both(airflow, SDK2 / "tuning.json", "manual__1")
    ended = executed(airflow, first, given)
    assert set(ended["states"].values()) == {"success"}, ended["ends"]
    assert executed(airflow, second, given) == ended
    client = embedded_sagemaker.client("sagemaker")
    (version,) = client.list_model_packages(ModelPackageGroupName="sdk2-tuning")[
        "ModelPackageSummaryList"
    ]
    assert version["ModelPackageVersion"] == 1
