"""Cleanup steps on the embedded SageMaker, written as the SageMaker SDK writes them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from retraining.sagemaker_pipelines.references import DefinitionError

from tests.retraining.sagemaker_pipelines.test_compiler import GET, ROLE, compiled, edges, model
from tests.retraining.sagemaker_pipelines.test_operators import (
    BUCKET,
    IMAGE,
    Run,
    airflow,
    processing,
    writes,
)

if TYPE_CHECKING:
    from types import SimpleNamespace

__all__ = ["airflow"]
OUT = "/opt/ml/model/m.txt"


def cleanup(*sources: dict[str, Any], **members: Any) -> dict[str, Any]:
    arguments = {"Resources": {"S3": [*sources]}}
    return {"Name": "Clean", "Type": "Cleanup", "Arguments": arguments, **members}


def training(name: str, program: str, **members: Any) -> dict[str, Any]:
    return {"Name": name, "Type": "Training", "Arguments": {
        "AlgorithmSpecification": {
            "TrainingImage": IMAGE, "TrainingInputMode": "File",
            "ContainerEntrypoint": ["python3", "-c", program]},
        "RoleArn": ROLE,
        "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/{name}"},
        "ResourceConfig": {
            "InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
    }, **members}  # fmt: skip


def keys(sagemaker: Any, prefix: str) -> list[str]:
    found = sagemaker.client("s3").list_objects_v2(Bucket=BUCKET, Prefix=prefix)
    return [item["Key"].rpartition("/")[2] for item in found.get("Contents", [])]


def report_of(step: str, file: str) -> dict[str, Any]:
    folder = {GET: f"Steps.{step}.ProcessingOutputConfig.Outputs['report'].S3Output.S3Uri"}
    return {"Std:Join": {"On": "/", "Values": [folder, file]}}


@pytest.mark.usefixtures("airflow")
def test_the_sdk_writes_such_a_step() -> None:
    # With the region that the SDK asks for when it is imported.
    from sagemaker.mlops.workflow.cleanup_step import (  # noqa: PLC0415
        CleanupStep,
        S3CleanupSource,
    )

    step = CleanupStep("Clean", [S3CleanupSource("Score", ["s3://b/k"]), S3CleanupSource("Train")])
    told = {"StepName": "Score", "S3Uris": ["s3://b/k"]}
    assert step.to_request() == cleanup(told, {"StepName": "Train"}, DependsOn=["Score", "Train"])


def test_the_named_objects_and_a_models_are_deleted_and_nothing_else(
    airflow: SimpleNamespace, embedded_sagemaker: Any
) -> None:
    program = writes("{}") + "; open('/opt/ml/processing/output/report/kept', 'w').write('x')"
    score = processing("Cleaned", program)
    train = training("CleanedModel", f"open({OUT!r}, 'w').write('m')")
    step = cleanup(
        {"StepName": "Cleaned", "S3Uris": [report_of("Cleaned", "report.json")]},
        {"StepName": "CleanedModel"},
    )
    run = Run(airflow, score, train, step, name="cleaned")
    assert edges(run.dag) == {("Cleaned", "Clean"), ("CleanedModel", "Clean")}
    run.do("Cleaned")
    run.do("CleanedModel")
    assert sorted(keys(embedded_sagemaker, "Cleaned/")) == ["kept", "report.json"]
    assert "model.tar.gz" in keys(embedded_sagemaker, "CleanedModel/")
    deleted = run.do("Clean")["deleted"]
    assert keys(embedded_sagemaker, "Cleaned/") == ["kept"]
    assert keys(embedded_sagemaker, "CleanedModel/") == []
    assert deleted >= 2
    # What is gone is gone: another attempt has nothing to do.
    assert run.do("Clean")["deleted"] == 1


def test_a_job_of_an_earlier_run_keeps_its_outputs(
    airflow: SimpleNamespace, embedded_sagemaker: Any
) -> None:
    cached = {"CacheConfig": {"Enabled": True}}
    train = training("Shared", f"open({OUT!r}, 'w').write('m')", **cached)
    run = Run(airflow, train, name="shared")
    first = run.do("Shared")
    later = Run(airflow, train, cleanup({"StepName": "Shared"}), name="shared")
    later.run_id = "manual__2"
    assert later.do("Shared")["job_name"] == first["job_name"]
    assert later.do("Clean") == {"deleted": 0}
    assert "model.tar.gz" in keys(embedded_sagemaker, "Shared/")


def test_what_the_source_has_not_written_is_not_deleted(
    airflow: SimpleNamespace, embedded_sagemaker: Any
) -> None:
    score = processing("Honest", writes("{}"))
    embedded_sagemaker.client("s3").put_object(Bucket=BUCKET, Key="precious", Body=b"x")
    for uri in (f"s3://{BUCKET}/precious", f"s3://{BUCKET}/Honest"):
        uris = [report_of("Honest", "report.json"), uri]
        step = cleanup({"StepName": "Honest", "S3Uris": uris})
        run = Run(airflow, score, step, name="honest")
        run.do("Honest")
        with pytest.raises(airflow.Fail, match=r"is no output of step Honest.*Nothing was deleted"):
            run.do("Clean")
    assert keys(embedded_sagemaker, "precious") == ["precious"]
    assert keys(embedded_sagemaker, "Honest/") == ["report.json"]


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (cleanup(), r"S3 is \[\], not a list of sources"),
        (cleanup({"StepName": "Gone"}), "the source Gone is no step"),
        (cleanup({"StepName": "M"}), "of type Model, whose outputs are not deleted"),
        (cleanup({"StepName": "P"}), "P names no S3Uris"),
        (cleanup({"StepName": "P", "S3Uris": []}), r"S3Uris is \[\]"),
        (cleanup({"StepName": "P", "S3Uris": ["s3://b/k"], "Force": True}), "not a StepName"),
        ({**cleanup(), "Arguments": {"Resources": {"Efs": []}}}, "not an object with S3"),
        ({**cleanup(), "Arguments": {}}, "not an object with Resources"),
    ],
)
def test_a_step_that_means_nothing_is_refused(
    airflow: SimpleNamespace, step: dict[str, Any], message: str
) -> None:
    with pytest.raises(DefinitionError, match=message):
        compiled(airflow, processing("P", ""), model("M"), step)


def test_nothing_refers_to_it(airflow: SimpleNamespace) -> None:
    step = cleanup({"StepName": "P", "S3Uris": ["s3://b/k"]})
    text = json.loads(json.dumps(model("M", {GET: "Steps.Clean.Deleted"})))
    with pytest.raises(DefinitionError, match="a step of type Cleanup has no properties"):
        compiled(airflow, processing("P", ""), step, text)
