"""The product reviews' DAGs, with a narrow BERT on made-up reviews: gate, registry, endpoint."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from retraining import naming

from local_stack.samples.pretrained_model import NAME as SAMPLE_MODEL
from tests.dags.place import BUCKET, ROOT, Place, did, new_place, parsed_dags
from tests.scripts.jobs import run_cold
from tests.scripts.product_reviews.made_up import VOCABULARY, as_csv, reviews

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "product-reviews"
RETRAINING, DEPLOYMENT = "product_reviews_retraining", "product_reviews_deployment"
DAY = "2026-11-20"
INTERRUPTED = "interrupted-reviews"
IMAGE = ROOT / ".local" / "images" / "pytorch-2.6.0" / "bin"
needs_image = pytest.mark.skipif(
    not (IMAGE / "python").exists(),
    reason="there is no PyTorch image here: make setup PIPELINE=product_reviews",
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, run_embedded_sagemaker: Any) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("reviews")
    program = ROOT / "tests" / "scripts" / "product_reviews" / "tiny_bert.py"
    made = run_cold(program, folder / "tiny", *VOCABULARY, image=IMAGE)
    assert made.code == 0, made.stderr
    # By then an epoch is over, on a busy machine, too; meanwhile the model is deployed.
    options = ("--interrupt-spot", f"{INTERRUPTED}:45", "--stop-grace", "1")
    with new_place(folder, run_embedded_sagemaker, *options) as place:
        place.land(NAME, DAY, as_csv([*reviews(1_000, wrong=0.2)]).encode(), name="reviews.csv")
        _, prefix = naming.split_s3_uri(naming.pretrained_uri(BUCKET, NAME, "tiny"))
        for file in (folder / "tiny").iterdir():
            place.client("s3").upload_file(str(file), BUCKET, f"{prefix}{file.name}")
        yield place


def test_the_retraining_dag_fails_a_run_whose_model_is_rejected(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    parsed = parsed_dags(tmp_path_factory.mktemp("shape"))
    assert parsed["errors"] == {}
    dag = parsed["dags"][RETRAINING]
    assert dag["edges"] == [
        ["check_data", "train"],
        ["check_quality", "register_model"],
        ["check_quality", "reject_model"],
        ["evaluate", "check_quality"],
        ["find_champion", "check_data"],
        ["preprocess", "check_data"],
        ["resolve_run", "find_champion"],
        ["resolve_run", "preprocess"],
        ["train", "evaluate"],
    ]
    # Set-up lands it under this name.
    assert dag["params"]["pretrained"] == SAMPLE_MODEL
    for name in [*dag["params"], *dag["tasks"]]:
        assert f"`{name}`" in dag["doc"]


def train_on_spare_capacity(place: Place, job: dict[str, Any]) -> None:
    """Start a job like another one, but of very many short epochs, so that it is interrupted."""
    members = ("AlgorithmSpecification", "HyperParameters", "InputDataConfig", "OutputDataConfig",
               "ResourceConfig", "RoleArn")  # fmt: skip
    request = {name: job[name] for name in members}
    request["HyperParameters"] |= {
        "epochs": "10000", "train-steps": "3", "validation-steps": "1"
    }  # fmt: skip
    place.client("sagemaker").create_training_job(
        TrainingJobName=INTERRUPTED,
        EnableManagedSpotTraining=True,
        StoppingCondition={"MaxRuntimeInSeconds": 600, "MaxWaitTimeInSeconds": 900},
        CheckpointConfig={"S3Uri": f"s3://{BUCKET}/interrupted/"},
        **request,
    )


def goes_on_where_it_was(place: Place) -> None:
    """Wait until that job has gone on after its interruption, and stop it."""
    sagemaker, logs = place.client("sagemaker"), place.client("logs")
    resumed, told = None, ""
    until = time.monotonic() + 240
    while resumed is None and time.monotonic() < until:
        found = logs.filter_log_events(
            logGroupName="/aws/sagemaker/TrainingJobs",
            logStreamNamePrefix=f"{INTERRUPTED}/",
            filterPattern="resumed",
        )
        told = " ".join(event["message"] for event in found["events"])
        resumed = re.search("resumed after epoch ([0-9]+) of 10000", told)
        time.sleep(0.5)
    described = sagemaker.describe_training_job(TrainingJobName=INTERRUPTED)
    sagemaker.stop_training_job(TrainingJobName=INTERRUPTED)
    assert resumed, described
    assert int(resumed[1]) >= 1
    statuses = [step["Status"] for step in described["SecondaryStatusTransitions"]]
    assert "Interrupted" in statuses


@needs_image
@pytest.mark.e2e
@pytest.mark.timeout(1_200)
def test_only_an_accurate_model_is_registered_and_deployed(place: Place) -> None:
    tiny = {"snapshot": DAY, "pretrained": "tiny", "learning_rate": 0.005,
            "max_sequence_length": 24, "approval_status": "Approved"}  # fmt: skip
    runs, log = place.run(
        RETRAINING,
        {**tiny, "least_accuracy": 1.0, "epochs": 1, "train_steps": 5},
        {**tiny, "pretrained": "nowhere"},
        tiny,
    )
    rejected, without, passed = runs
    assert [run["state"] for run in runs] == ["failed", "failed", "success"], log[-5000:]
    assert rejected["tasks"]["reject_model"] == "failed"
    assert "multiclass_classification_metrics.accuracy" in log
    assert without["tasks"]["resolve_run"] == "failed"
    assert f"there is no pretrained model at s3://{BUCKET}/{NAME}/pretrained/nowhere/" in log

    (version,) = place.versions(NAME)
    metadata = version["CustomerMetadataProperties"]
    assert metadata["pretrained"] == "tiny"
    container = version["InferenceSpecification"]["Containers"][0]
    assert container["Image"].endswith("/pytorch-inference:2.6.0-cpu-py312")
    sagemaker = place.client("sagemaker")
    job = sagemaker.describe_training_job(TrainingJobName=metadata["training_job"])
    metrics = {metric["MetricName"]: metric["Value"] for metric in job["FinalMetricDataList"]}
    assert set(metrics) == {
        "train:loss", "train:accuracy", "validation:loss", "validation:accuracy"
    }  # fmt: skip
    uri = naming.run_uri(BUCKET, NAME, DAY, passed["run_id"])
    assert job["CheckpointConfig"]["S3Uri"] == f"{naming.output_uri(uri, 'model')}checkpoints/0/"
    train_on_spare_capacity(place, job)
    report = json.loads(place.body(naming.report_uri(uri)))
    last = report["learning_curves"][-1]
    assert metrics["validation:loss"] == pytest.approx(last["validation_loss"], rel=1e-4)

    (run,), log = place.run(DEPLOYMENT, {})
    assert did(run) == ["deploy_version", "keep_version", "verify_version"], log[-5000:]
    runtime = place.client("sagemaker-runtime")
    call = {"EndpointName": NAME, "ContentType": "application/json"}
    answer = runtime.invoke_endpoint(**call, Body=b'{"features": ["the dress is lovely"]}')
    (prediction,) = json.load(answer["Body"])["predictions"]
    assert prediction["label"] in {-1, 0, 1}
    assert 1 / 3 <= prediction["probability"] <= 1
    answer = runtime.invoke_endpoint(**call, Body=rb'{"features": ["half \ud800 a pair"]}')
    assert len(json.load(answer["Body"])["predictions"]) == 1
    for body, content_type in (
        (b"{", "application/json"), (b'{"features": []}', "application/json"),
        (b'{"features": [""]}', "application/json"), (b'{"features": [3]}', "application/json"),
        (b"a text", "text/csv"),
    ):  # fmt: skip
        with pytest.raises(ClientError) as refused:
            runtime.invoke_endpoint(EndpointName=NAME, ContentType=content_type, Body=body)
        status = refused.value.response["OriginalStatusCode"]
        assert status == (400 if content_type == "application/json" else 415)
        assert "send application/json" in refused.value.response["OriginalMessage"]
    goes_on_where_it_was(place)
