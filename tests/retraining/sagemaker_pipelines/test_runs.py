"""The definitions of include/pipelines as DAGs: jobs, gate and registry, on real data."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import pytest
from retraining import naming
from retraining.deployment import smoke
from retraining.registry import versions
from retraining.runs import code_archive, records

from tests.dags.place import BUCKET, ROOT, Place, new_place
from tests.retraining.sagemaker_pipelines.dag_processes import run_dags

if TYPE_CHECKING:
    from collections.abc import Iterator

DATE = "2026-11-20"
FOLDERS = {"abalone": "abalone", "california-housing": "california_housing"}
FIRST: dict[str, dict[str, Any]] = {
    "abalone": {"MseThreshold": 2.0},
    "california-housing": {"R2Threshold": 0.9},
}

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, run_embedded_sagemaker: Any) -> Iterator[Place]:
    with new_place(tmp_path_factory.mktemp("definitions"), run_embedded_sagemaker) as place:
        for name, folder in FOLDERS.items():
            table = (ROOT / ".local" / "sample-data" / f"{folder}.csv").read_bytes()
            place.land(name, DATE, table)
        yield place


@pytest.fixture(scope="module")
def ended(place: Place) -> tuple[dict[str, Any], str]:
    """Two runs of each: one with a threshold that the model misses, one with the default.

    And one of the definition that tunes, transforms and deploys, on abalone's data.
    """
    wanted: dict[str, list[dict[str, Any]]] = {}
    for name, folder in FOLDERS.items():
        archive = code_archive.read_scripts(ROOT / "include" / "scripts" / folder)
        uri = code_archive.upload(place.client("s3"), archive, bucket=BUCKET, pipeline=name)
        given = {"SnapshotDate": DATE, "CodeUri": uri.rstrip("/")}
        wanted[folder] = [given | FIRST[name], given]
    wanted["abalone_tuning"] = [wanted["abalone"][1]]
    runs, log = run_dags(place, wanted)
    left = iter(runs)
    names = {folder: name for name, folder in FOLDERS.items()}
    return {
        names.get(dag_id, dag_id): [next(left) for _ in confs] for dag_id, confs in wanted.items()
    }, log


def metric(place: Place, name: str, run: dict[str, Any]) -> float:
    """Return the metric that the registered version's report has."""
    (version,) = place.versions(f"{name}-from-definition")
    report = json.loads(place.body(version["ModelMetrics"]["ModelQuality"]["Statistics"]["S3Uri"]))
    metrics = report["regression_metrics"]
    assert run["state"] == "success"
    value: float = metrics["mse" if name == "abalone" else "r2_score"]["value"]
    return value


def test_a_model_that_misses_the_threshold_ends_as_the_definition_says(
    ended: tuple[dict[str, Any], str],
) -> None:
    runs, log = ended
    missed, _ = runs["abalone"]
    assert missed["state"] == "failed"
    assert missed["tasks"]["AbaloneMSEFail"] == "failed"
    assert missed["tasks"]["AbaloneRegisterModel"] == "skipped"
    assert "Execution failed due to MSE > 2.0" in log
    # Its else branch is empty.
    missed, _ = runs["california-housing"]
    assert missed["state"] == "success"
    assert missed["tasks"]["CheckQuality"] == "success"
    assert missed["tasks"]["RegisterModel"] == "skipped"


@pytest.mark.parametrize(("name", "value"), [("abalone", 4.9524), ("california-housing", 0.7246)])
def test_the_model_is_the_hand_written_dags_and_is_registered_once(
    place: Place, ended: tuple[dict[str, Any], str], name: str, value: float
) -> None:
    """The figures are those of ``make demo``, whose DAGs run the same scripts on the same data."""
    _, passed = ended[0][name]
    assert metric(place, name, passed) == pytest.approx(value, abs=5e-5)


@pytest.mark.parametrize("name", FOLDERS)
def test_what_was_registered_has_all_that_a_deployment_asks_for(
    place: Place, ended: tuple[dict[str, Any], str], name: str
) -> None:
    assert ended
    client, group = place.client("sagemaker"), f"{name}-from-definition"
    (version,) = place.versions(group)
    versions.approve(client, version["ModelPackageArn"], reason="by a test")
    (deployable,) = versions.deployable(client, group)
    assert deployable.snapshot == DATE
    assert records.objection(place.client("s3"), deployable.report_uri) is None
    assert smoke.read(place.client("s3"), deployable.report_uri, rows=5)


def test_the_second_run_takes_the_jobs_of_the_first(
    place: Place, ended: tuple[dict[str, Any], str]
) -> None:
    assert ended
    client = place.client("sagemaker")
    jobs = [
        *client.list_processing_jobs(MaxResults=100)["ProcessingJobSummaries"],
        *client.list_training_jobs(MaxResults=100)["TrainingJobSummaries"],
    ]
    names = [job.get("ProcessingJobName") or job["TrainingJobName"] for job in jobs]
    others = [name for name in names if not name.startswith("abalone-tuning-")]
    assert len(others) == len(set(others)) == 6
    # Its own processing job, and those of its tuner.
    assert len(names) - len(others) == 1 + 4


def test_each_condition_is_written_down(place: Place, ended: tuple[dict[str, Any], str]) -> None:
    for name, step in (("abalone", "AbaloneMSECond"), ("california-housing", "CheckQuality")):
        found = {}
        keys = place.objects(f"{name}-from-definition/runs/{DATE}/")
        for key in (key for key in keys if f"/conditions/{step}/" in key):
            record = json.loads(place.body(f"s3://{BUCKET}/{key}"))
            found[record["run"]["run_id"]] = record["verdict"]
        assert found == {
            run["run_id"]: verdict
            for run, verdict in zip(ended[0][name], ("reject", "pass"), strict=True)
        }


def test_the_tuned_model_is_made_scores_the_rows_and_is_deployed(
    place: Place, ended: tuple[dict[str, Any], str]
) -> None:
    """The best job is what the tuner says it is, and each row has the prediction of its model."""
    (run,) = ended[0]["abalone_tuning"]
    assert run["state"] == "success", ended[1][-5000:]
    assert run["tasks"]["RmseTooLarge"] == "skipped"
    client = place.client("sagemaker")
    (summary,) = client.list_hyper_parameter_tuning_jobs()["HyperParameterTuningJobSummaries"]
    name = summary["HyperParameterTuningJobName"]
    tuner = client.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    assert tuner["TrainingJobStatusCounters"]["Completed"] == 4
    best = tuner["BestTrainingJob"]
    (job,) = client.list_transform_jobs()["TransformJobSummaries"]
    scored = client.describe_transform_job(TransformJobName=job["TransformJobName"])
    model = client.describe_model(ModelName=scored["ModelName"])
    assert f"/{best['TrainingJobName']}/" in model["PrimaryContainer"]["ModelDataUrl"]

    bucket, prefix = naming.split_s3_uri(scored["TransformOutput"]["S3OutputPath"])
    (key,) = place.objects(f"{prefix}/")
    rows = [line.split(",") for line in place.body(f"s3://{bucket}/{key}").decode().split()]
    assert len(rows) > 500
    assert {len(row) for row in rows} == {2}
    rmse = math.sqrt(sum((float(y) - float(p)) ** 2 for y, p in rows) / len(rows))
    told = best["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]
    assert rmse == pytest.approx(told, rel=0.15)
    endpoint = client.describe_endpoint(EndpointName="abalone-tuned")
    assert endpoint["EndpointStatus"] == "InService"
    config = client.describe_endpoint_config(EndpointConfigName=endpoint["EndpointConfigName"])
    assert config["ProductionVariants"][0]["ModelName"] == scored["ModelName"]
    tags = client.list_tags(ResourceArn=endpoint["EndpointArn"])["Tags"]
    assert {"Key": "pipeline", "Value": "abalone-tuning"} in tags
    (record,) = (key for key in place.objects("abalone-tuning/runs/") if "/conditions/" in key)
    decision = json.loads(place.body(f"s3://{BUCKET}/{record}"))
    assert str(told)[:5] in decision["explanation"]
