"""EndpointConfig and Endpoint steps, on endpoints whose containers really run."""

from __future__ import annotations

import asyncio
import io
import tarfile
import time
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from retraining import naming
from retraining.deployment import endpoints
from retraining.sagemaker_pipelines.references import DefinitionError

from tests.retraining.sagemaker_pipelines.test_compiler import GET, ROLE, compiled, edges, model
from tests.retraining.sagemaker_pipelines.test_operators import IMAGE, Run

BUCKET = "endpoint-steps"
SAYS = """
def model_fn(model_dir):
    return {word}

def input_fn(body, content_type):
    return body

def predict_fn(body, model):
    return model

def output_fn(prediction, accept):
    return prediction
"""
VARIANT = {
    "VariantName": "AllTraffic",
    "ModelName": {GET: "Steps.Model.ModelName"},
    "ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 5},
}
CONFIG = {"Name": "Config", "Type": "EndpointConfig", "Arguments": {
    "EndpointConfigName": "mine", "ProductionVariants": [VARIANT]}}  # fmt: skip
ENDPOINT = {"Name": "Up", "Type": "Endpoint", "Arguments": {
    "EndpointName": "stepped",
    "EndpointConfigName": {GET: "Steps.Config.EndpointConfigName"},
    "Tags": [{"Key": "team", "Value": "mine"}],
}}  # fmt: skip


@pytest.fixture(scope="module")
def airflow(become_a_task: Any, embedded_sagemaker: Any) -> SimpleNamespace:
    """The compiler in an Airflow of its own, imported after its home is known."""
    become_a_task(RETRAINING_BUCKET=BUCKET)
    embedded_sagemaker.client("s3").create_bucket(Bucket=BUCKET)
    from airflow.sdk.exceptions import AirflowFailException, TaskDeferred  # noqa: PLC0415
    from retraining.sagemaker_pipelines import operators  # noqa: PLC0415
    from retraining.sagemaker_pipelines.compiler import pipeline_dag  # noqa: PLC0415

    return SimpleNamespace(
        pipeline_dag=pipeline_dag,
        operators=operators,
        Fail=AirflowFailException,
        Deferred=TaskDeferred,
    )


@pytest.fixture(scope="module")
def archives(airflow: SimpleNamespace, embedded_sagemaker: Any) -> dict[str, str]:
    """The model data that answers `old`, that answers `new`, and that cannot be loaded."""
    del airflow
    found = {}
    for name, word in {"old": "'old'", "new": "'new'", "broken": "1 / 0"}.items():
        entry, content = tarfile.TarInfo("code/entry_point.py"), SAYS.format(word=word).encode()
        entry.size, buffer = len(content), io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
            archive.addfile(entry, io.BytesIO(content))
        key = f"{name}/model.tar.gz"
        embedded_sagemaker.client("s3").put_object(Bucket=BUCKET, Key=key, Body=buffer.getvalue())
        found[name] = f"s3://{BUCKET}/{key}"
    return found


def deploying(airflow: SimpleNamespace, archive: str, *, run_id: str) -> Run:
    """Make the model and the config of a run, and leave its endpoint to the caller."""
    made = {"Name": "Model", "Type": "Model", "Arguments": {
        "ExecutionRoleArn": ROLE,
        "PrimaryContainer": {"Image": IMAGE, "ModelDataUrl": archive, "Environment": {
            "SAGEMAKER_PROGRAM": "entry_point.py",
            "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
        }},
    }}  # fmt: skip
    run = Run(airflow, made, CONFIG, ENDPOINT, name="deploying")
    run.run_id = run_id
    run.do("Model")
    run.do("Config")
    return run


def settle(airflow: SimpleNamespace, run: Run) -> tuple[Any, int]:
    """Execute the Endpoint step as Airflow does; return its result, and how often it waited."""
    context = run.context("Up")
    waits = 0
    try:
        return run.do("Up"), waits
    except airflow.Deferred as deferred:
        while True:
            waits += 1
            event = asyncio.run(asyncio.wait_for(first_event(deferred), 120)).payload
            task = run.dag.get_task("Up").prepare_for_execution()
            task.render_template_fields(context)
            try:
                return getattr(task, deferred.method_name)(context, event=event), waits
            except airflow.Deferred as again:
                deferred = again


async def first_event(deferred: Any) -> Any:
    return await anext(deferred.trigger.run())


def test_an_endpoint_is_created_updated_and_left_if_it_serves_already(
    airflow: SimpleNamespace, embedded_sagemaker: Any, archives: dict[str, str]
) -> None:
    client = embedded_sagemaker.client("sagemaker")
    runtime = embedded_sagemaker.client("sagemaker-runtime")

    def said() -> bytes:
        answer = runtime.invoke_endpoint(EndpointName="stepped", Body=b"1", ContentType="text/csv")
        body: bytes = answer["Body"].read()
        return body

    old = deploying(airflow, archives["old"], run_id="old")
    config = old.results["Config", "return_value"]
    assert old.do("Config") == config, "made once"
    assert settle(airflow, old) == ({"endpoint_name": "stepped", **config}, 1)
    assert said() == b"old"
    assert settle(airflow, old) == ({"endpoint_name": "stepped", **config}, 0)
    described = client.describe_endpoint(EndpointName="stepped")
    tags = client.list_tags(ResourceArn=described["EndpointArn"])["Tags"]
    assert {"Key": "team", "Value": "mine"} in tags

    new = deploying(airflow, archives["new"], run_id="new")
    assert new.results["Config", "return_value"] != config
    assert settle(airflow, new)[1] == 1
    assert said() == b"new"
    serving = client.describe_endpoint(EndpointName="stepped")["EndpointConfigName"]

    # The service takes the update back, and calls the endpoint InService.
    broken = deploying(airflow, archives["broken"], run_id="broken")
    with pytest.raises(airflow.Fail, match=r"step Up: endpoint stepped does not serve deploying-C"):
        settle(airflow, broken)
    after = client.describe_endpoint(EndpointName="stepped")
    assert (after["EndpointStatus"], after["EndpointConfigName"]) == ("InService", serving)
    assert said() == b"new"


def test_one_that_never_came_up_fails_the_step_with_the_reason_and_may_be_mended(
    airflow: SimpleNamespace,
    embedded_sagemaker: Any,
    archives: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(ENDPOINT["Arguments"], "EndpointName", "mended")  # type: ignore[arg-type]
    broken = deploying(airflow, archives["broken"], run_id="broken")
    with pytest.raises(airflow.Fail, match=r"it is Failed with deploying-C.*: .*health check"):
        settle(airflow, broken)
    good = deploying(airflow, archives["old"], run_id="good")
    # The service updates no failed one: it is deleted, and then created.
    assert settle(airflow, good)[1] == 2
    client = embedded_sagemaker.client("sagemaker")
    assert client.describe_endpoint(EndpointName="mended")["EndpointStatus"] == "InService"


def test_an_endpoint_that_a_deployment_keeps_is_left_alone(
    airflow: SimpleNamespace,
    embedded_sagemaker: Any,
    archives: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And the other way round: a deployment takes over, and can flip back to what a step chose."""
    monkeypatch.setitem(ENDPOINT["Arguments"], "EndpointName", "kept")  # type: ignore[arg-type]
    client = embedded_sagemaker.client("sagemaker")
    run = deploying(airflow, archives["old"], run_id="kept")
    settle(airflow, run)
    stepped = run.results["Config", "return_value"]["endpoint_config_name"]
    found = endpoints.find(client, "kept")
    assert found is not None
    assert found.verified == stepped

    other = deploying(airflow, archives["new"], run_id="kept-2")
    config = naming.deployment_name("kept", 1, identity="a version")
    client.create_endpoint_config(
        EndpointConfigName=config,
        ProductionVariants=[
            {**VARIANT, "ModelName": other.results["Model", "return_value"]["model_name"]}
        ],
    )
    while (
        endpoints.bring_to(client, "kept", config, verified=stepped, is_asked=False)
        is not endpoints.Step.DONE
    ):
        time.sleep(0.2)
    for is_verified in (False, True):
        if is_verified:
            endpoints.mark_verified(client, "kept", config, passed_over="")
        with pytest.raises(airflow.Fail, match=r"serves kept-v1-.*which a deployment DAG has put"):
            settle(airflow, other)
        found = endpoints.find(client, "kept")
        assert found is not None
        assert (found.config, found.verified) == (config, config if is_verified else stepped)


def test_a_wait_has_an_end(
    airflow: SimpleNamespace, archives: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ENDPOINT["Arguments"], "EndpointName", "late")  # type: ignore[arg-type]
    monkeypatch.setattr(airflow.operators, "_LONGEST_DEPLOYMENT", timedelta(0))
    run = deploying(airflow, archives["old"], run_id="late")
    with pytest.raises(airflow.Fail, match=r"still at work on endpoint late.*Nothing was undone"):
        settle(airflow, run)


def test_what_describe_answers_of_them_may_be_referred_to(airflow: SimpleNamespace) -> None:
    last = model("A", {GET: "Steps.Up.EndpointArn"})
    dag = compiled(airflow, model("Model"), CONFIG, ENDPOINT, last)
    assert edges(dag) == {("Model", "Config"), ("Config", "Up"), ("Up", "A")}


@pytest.mark.parametrize(
    ("changed", "members", "message"),
    [
        ({"EndpointConfigName": "mine"}, {}, r'computed .* {"Get": "Steps.Config.EndpointConfigN'),
        ({"EndpointConfigName": None}, {}, "step Up: Arguments lacks EndpointConfigName"),
        ({"EndpointName": None}, {}, "step Up: Arguments lacks EndpointName"),
        ({"DeploymentConfig": {}}, {}, "step Up: a DeploymentConfig cannot be had"),
        ({"Variants": []}, {}, "step Up: Arguments has Variants, which the service does not know"),
        ({}, {"RetryPolicies": [{"ExceptionType": "Step.THROTTLING", "MaxAttempts": 1}]},
         "step Up: a step of type Endpoint has no RetryPolicies"),
    ],
)  # fmt: skip
def test_what_cannot_be_had_is_refused(
    airflow: SimpleNamespace, changed: dict[str, Any], members: dict[str, Any], message: str
) -> None:
    arguments: Any = ENDPOINT["Arguments"]
    asked = {name: value for name, value in {**arguments, **changed}.items() if value is not None}
    with pytest.raises(DefinitionError, match=message):
        compiled(airflow, model("Model"), CONFIG, {**ENDPOINT, "Arguments": asked, **members})
