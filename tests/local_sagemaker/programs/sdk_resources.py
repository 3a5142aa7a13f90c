"""Uses the `sagemaker` SDK's resource classes and its ModelBuilder as the documentation shows them.

The settings come on stdin, results go to a file. What the SDK itself does wrong is named where it
is got round.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import boto3
import numpy as np
from botocore.exceptions import ClientError, ParamValidationError
from sagemaker.core.analytics import ExperimentAnalytics
from sagemaker.core.deserializers import CSVDeserializer, JSONDeserializer, NumpyDeserializer
from sagemaker.core.helper.session_helper import Session
from sagemaker.core.inference_config import ServerlessInferenceConfig
from sagemaker.core.resources import (
    Action,
    Artifact,
    Association,
    Context,
    Endpoint,
    EndpointConfig,
    Experiment,
    Model,
    ModelPackage,
    ModelPackageGroup,
    Pipeline,
    ProcessingJob,
    TrainingJob,
    Trial,
)
from sagemaker.core.serializers import CSVSerializer, JSONSerializer, NumpySerializer
from sagemaker.core.shapes import (
    AlgorithmSpecification,
    AppSpecification,
    ContainerDefinition,
    ContainersItem,
    InferenceSpecification,
    MetricDefinition,
    OutputDataConfig,
    ProcessingClusterConfig,
    ProcessingResources,
    ProductionVariant,
    ProductionVariantServerlessConfig,
    ResourceConfig,
    StoppingCondition,
    Tag,
)
from sagemaker.core.training.configs import Compute, SourceCode
from sagemaker.serve.model_builder import ModelBuilder
from sagemaker.train.model_trainer import ModelTrainer

ROWS = b"1,2\n3,4\n"


def jobs(settings: dict[str, Any]) -> dict[str, Any]:
    name = settings["name"]
    training = TrainingJob.create(
        training_job_name=name,
        role_arn=settings["role"],
        algorithm_specification=AlgorithmSpecification(
            training_image=settings["image"],
            training_input_mode="File",
            container_entrypoint=["python3", "-c", "print('loss=0.5')"],
            metric_definitions=[MetricDefinition(name="loss", regex="loss=(.*)")],
        ),
        output_data_config=OutputDataConfig(s3_output_path=settings["out"]),
        resource_config=ResourceConfig(
            instance_type="ml.m5.large", instance_count=1, volume_size_in_gb=1
        ),
        stopping_condition=StoppingCondition(max_runtime_in_seconds=60),
        hyper_parameters={"rate": "0.25"},
        # As a dictionary: for classes behind `Tag` in the alphabet the SDK takes no shapes.Tag.
        tags=[{"key": "team", "value": "data"}],
    )
    processing = ProcessingJob.create(
        processing_job_name=name,
        role_arn=settings["role"],
        app_specification=AppSpecification(
            image_uri=settings["image"], container_entrypoint=["python3", "-c", "print('done')"]
        ),
        processing_resources=ProcessingResources(
            cluster_config=ProcessingClusterConfig(
                instance_count=1, instance_type="ml.m5.large", volume_size_in_gb=1
            )
        ),
        tags=[Tag(key="team", value="data")],
    )
    stopped = TrainingJob.create(
        training_job_name=f"{name}-stopped",
        role_arn=settings["role"],
        algorithm_specification=AlgorithmSpecification(
            training_image=settings["image"],
            training_input_mode="File",
            container_entrypoint=["sleep", "60"],
        ),
        output_data_config=OutputDataConfig(s3_output_path=settings["out"]),
        resource_config=ResourceConfig(
            instance_type="ml.m5.large", instance_count=1, volume_size_in_gb=1
        ),
        stopping_condition=StoppingCondition(max_runtime_in_seconds=60),
    )
    stopped.stop()
    training.wait(poll=1, logs=True)
    processing.wait(poll=1, logs=True)
    stopped.wait(poll=1)
    told = {
        "training": training.training_job_status,
        "metric": training.final_metric_data_list[0].value,
        "stopped": stopped.training_job_status,
        "processing": processing.processing_job_status,
        "completed": [
            job.training_job_name
            for job in TrainingJob.get_all(
                name_contains=name, status_equals="Completed", sort_by="Name"
            )
        ],
        "all": [
            job.training_job_name
            for job in TrainingJob.get_all(
                name_contains=name, sort_by="Name", sort_order="Descending"
            )
        ],
        "processed": [job.processing_job_name for job in ProcessingJob.get_all(name_contains=name)],
    }
    training.delete()
    training.wait_for_delete(poll=1, timeout=10)
    processing.delete()
    told["left"] = [job.training_job_name for job in TrainingJob.get_all(name_contains=name)]
    return told


def registry(settings: dict[str, Any]) -> dict[str, Any]:
    name = settings["name"]
    group = ModelPackageGroup.create(
        model_package_group_name=name, tags=[Tag(key="team", value="data")]
    )
    group.refresh()
    group.wait_for_status("Completed", poll=1, timeout=10)
    container = ContainersItem(
        image=settings["image"], model_data_url=settings["container"]["ModelDataUrl"]
    )
    try:
        ModelPackage.create(
            model_package_group_name=name,
            inference_specification=InferenceSpecification(containers=[container]),
        )
        created = "returned"
    except KeyError as error:  # it is made; the SDK looks for a name that no answer has
        created = str(error)
    (package,) = ModelPackage.get_all(model_package_group_name=name)
    package.wait_for_status("Completed", poll=1, timeout=10)
    package.update(model_approval_status="Approved", approval_description="as it should be")
    package.refresh()
    return {
        "created": created,
        "groups": [
            one.model_package_group_name for one in ModelPackageGroup.get_all(name_contains=name)
        ],
        "approval": package.model_approval_status,
        "approved": [
            one.model_package_version
            for one in ModelPackage.get_all(
                model_package_group_name=name, model_approval_status="Approved"
            )
        ],
        "rejected": [
            one.model_package_version
            for one in ModelPackage.get_all(
                model_package_group_name=name, model_approval_status="Rejected"
            )
        ],
    }


def model(settings: dict[str, Any]) -> Model:
    given = settings["container"]
    made = Model.create(
        model_name=settings["name"],
        primary_container=ContainerDefinition(
            image=given["Image"],
            model_data_url=given["ModelDataUrl"],
            environment=given["Environment"],
        ),
        execution_role_arn=settings["role"],
    )
    made.refresh()
    return made


def serverless_config(name: str) -> EndpointConfig:
    """By boto3: the SDK misspells MemorySizeInMB."""
    boto3.client("sagemaker").create_endpoint_config(
        EndpointConfigName=f"{name}-serverless",
        ProductionVariants=[
            {
                "VariantName": "AllTraffic",
                "ModelName": name,
                "ServerlessConfig": {"MemorySizeInMB": 2048, "MaxConcurrency": 2},
            }
        ],
    )
    return EndpointConfig.get(f"{name}-serverless")


def serving(settings: dict[str, Any]) -> dict[str, Any]:
    name = settings["name"]
    made = model(settings)
    instances = EndpointConfig.create(
        endpoint_config_name=f"{name}-instances",
        production_variants=[
            ProductionVariant(
                variant_name="AllTraffic",
                model_name=name,
                instance_type="ml.m5.large",
                initial_instance_count=1,
            )
        ],
    )
    serverless = serverless_config(name)
    endpoint = Endpoint.create(
        endpoint_name=name, endpoint_config_name=serverless.endpoint_config_name
    )
    endpoint.wait_for_status("InService", poll=1, timeout=60)
    told: dict[str, Any] = {
        "models": [one.model_name for one in Model.get_all(name_contains=name)],
        "configs": [
            one.endpoint_config_name
            for one in EndpointConfig.get_all(
                name_contains=name, sort_by="Name", sort_order="Ascending"
            )
        ],
        "memory": serverless.production_variants[0].serverless_config.memory_size_in_mb,
        "plain": answer(endpoint),
    }
    endpoint.endpoint_config_name = instances.endpoint_config_name
    endpoint.update()
    endpoint.wait_for_status("InService", poll=1, timeout=60)
    told["updated"] = Endpoint.get(name).endpoint_config_name
    told["in service"] = [
        one.endpoint_name for one in Endpoint.get_all(name_contains=name, status_equals="InService")
    ]
    endpoint.serializer, endpoint.deserializer = JSONSerializer(), JSONDeserializer()
    told["json"] = endpoint.invoke(
        body=[[1, 2], [3, 4]], content_type="application/json", accept="application/json"
    ).body
    endpoint.serializer, endpoint.deserializer = CSVSerializer(), CSVDeserializer()
    told["csv"] = endpoint.invoke(
        body=[[1, 2], [3, 4]], content_type="text/csv", accept="text/csv"
    ).body
    endpoint.serializer, endpoint.deserializer = NumpySerializer(), NumpyDeserializer()
    told["npy"] = endpoint.invoke(
        body=np.array([[1.0, 2.0], [3.0, 4.0]]),
        content_type="application/x-npy",
        accept="application/x-npy",
    ).body.tolist()
    endpoint.delete()
    endpoint.wait_for_delete(poll=1, timeout=60)
    for one in (instances, serverless, made):
        one.delete()
    told["left"] = [
        *Endpoint.get_all(name_contains=name),
        *EndpointConfig.get_all(name_contains=name),
        *Model.get_all(name_contains=name),
    ]
    return told


def answer(endpoint: Endpoint) -> str:
    body = endpoint.invoke(body=ROWS, content_type="text/csv", accept="text/csv").body
    return body.read().decode()


def deployed(builder: ModelBuilder, name: str, **how: Any) -> str:
    """Deploy what is built, without the SDK's own wait, which looks every half minute."""
    endpoint = builder.deploy(endpoint_name=name, wait=False, **how)
    endpoint.wait_for_status("InService", poll=1, timeout=60)
    return answer(endpoint)


ON_INSTANCES = {"instance_type": "ml.m5.large", "initial_instance_count": 1}
TRAIN = """
import os, pathlib, shutil
code = pathlib.Path(os.environ["SM_MODEL_DIR"], "code")
code.mkdir()
shutil.copy(pathlib.Path(__file__).with_name("inference.py"), code)
"""


def builders(settings: dict[str, Any], session: Session, folder: Path) -> dict[str, Any]:
    name, container = settings["name"], settings["container"]
    common = {
        "role_arn": settings["role"],
        "sagemaker_session": session,
        "instance_type": "ml.m5.large",
    }
    (folder / "train.py").write_text(TRAIN)
    (folder / "inference.py").write_text(settings["inference"])
    code = SourceCode(source_dir=str(folder), entry_script="train.py")

    artefact = ModelBuilder(
        image_uri=container["Image"],
        s3_model_data_url=container["ModelDataUrl"],
        env_vars=container["Environment"],
        **common,
    )
    artefact.build(model_name=f"{name}-built")
    registered = artefact.register(
        model_package_group_name=f"{name}-built",
        content_types=["text/csv"],
        response_types=["text/csv"],
        inference_instances=["ml.m5.large"],
        transform_instances=["ml.m5.large"],
        approval_status="Approved",
    )

    trainer = ModelTrainer(
        sagemaker_session=session,
        role=settings["role"],
        training_image=settings["image"],
        source_code=code,
        compute=Compute(instance_type="ml.m5.large", instance_count=1, volume_size_in_gb=1),
        stopping_condition=StoppingCondition(max_runtime_in_seconds=60),
        base_job_name=name,
    )
    trainer.train(wait=True, logs=False)
    trained = ModelBuilder(
        model=trainer,
        image_uri=settings["image"],
        env_vars=container["Environment"],
        **common,
    )
    trained.build(model_name=f"{name}-trained")

    # The model of a version, which the service resolves.
    version = Model.create(
        model_name=f"{name}-version",
        primary_container=ContainerDefinition(model_package_name=str(registered)),
        execution_role_arn=settings["role"],
    )
    of_version = ModelBuilder(model=[version], **common)
    of_version.build(model_name=f"{name}-of-version")

    repacked = ModelBuilder(
        image_uri=container["Image"],
        s3_model_data_url=container["ModelDataUrl"],
        source_code=SourceCode(source_dir=str(folder), entry_script="inference.py"),
        **common,
    )
    repacked.build(model_name=f"{name}-repacked")

    serverless = ServerlessInferenceConfig(memory_size_in_mb=2048, max_concurrency=2)
    return {
        "serverless": deployed(artefact, f"{name}-built", inference_config=serverless),
        "trained": deployed(trained, f"{name}-trained", **ON_INSTANCES),
        "version": deployed(of_version, f"{name}-of-version", **ON_INSTANCES),
        "repacked": deployed(repacked, f"{name}-repacked", **ON_INSTANCES),
        "registered": str(registered),
    }


def lookups(session: Session) -> dict[str, Any]:
    """What the SDK looks for on the side."""
    kinds = (Pipeline, Experiment, Trial, Artifact, Action, Context, Association)
    told: dict[str, Any] = {kind.__name__: len(list(kind.get_all())) for kind in kinds}
    try:
        Pipeline.get("nightly")
    except ClientError as error:
        told["pipeline"] = error.response["Error"]["Code"]
    components = ExperimentAnalytics(experiment_name="none", sagemaker_session=session)
    told["components"] = len(components.dataframe())
    return told


def faults(settings: dict[str, Any], session: Session) -> dict[str, str]:
    """What the SDK does wrong before anything is asked of a server; README.md names it."""
    told = {}
    job = TrainingJob.get(f"{settings['name']}-stopped")
    (version,) = ModelPackage.get_all(model_package_group_name=settings["name"])
    for what, given in (("job", job), ("version", version)):
        try:
            ModelBuilder(
                model=given,
                image_uri=settings["image"],
                role_arn=settings["role"],
                sagemaker_session=session,
            ).build()
        except ValueError as error:
            told[what] = str(error)
    try:
        EndpointConfig.create(
            endpoint_config_name=settings["name"],
            production_variants=[
                ProductionVariant(
                    variant_name="AllTraffic",
                    model_name=settings["name"],
                    serverless_config=ProductionVariantServerlessConfig(
                        memory_size_in_mb=2048, max_concurrency=2
                    ),
                )
            ],
        )
    except ParamValidationError as error:
        told["serverless"] = str(error)
    return told


def clean_up(settings: dict[str, Any]) -> list[str]:
    """Delete version and group; return the groups that are left."""
    (version,) = ModelPackage.get_all(model_package_group_name=settings["name"])
    # The SDK deletes by a name that versions do not have.
    version.model_package_name = version.model_package_arn
    version.delete()
    ModelPackageGroup.get(settings["name"]).delete()
    groups = ModelPackageGroup.get_all(name_contains=settings["name"])
    return [group.model_package_group_name for group in groups]


def main() -> None:
    settings = json.load(sys.stdin)
    session = Session(default_bucket=settings["bucket"])
    with tempfile.TemporaryDirectory() as folder:
        results = {
            "jobs": jobs(settings),
            "registry": registry(settings),
            "serving": serving(settings),
            "builders": builders(settings, session, Path(folder)),
            "lookups": lookups(session),
            "faults": faults(settings, session),
            "groups": clean_up(settings),
        }
    Path(sys.argv[1]).write_text(json.dumps(results))


if __name__ == "__main__":
    main()
