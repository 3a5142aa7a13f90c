"""The policies that docs/aws.md and docs/deployment.md state suffice, and none is too wide."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError
from retraining.registry import versions as registry

from local_stack.services import environment
from tests.dags.place import BUCKET, ROOT, Place, new_place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NAME = "california-housing"
SNAPSHOT = "2026-11-20"
ROLE = environment.ROLE_ARN.rpartition("/")[2]
TRUST = {"Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
# Not in every night: what makes them necessary.
SELDOM = {
    "sagemaker:StopProcessingJob": "somebody stops a run",
    "sagemaker:StopTrainingJob": "somebody stops a run",
    "sagemaker:ListProcessingJobs": "a job takes longer than some seconds",
    "sagemaker:ListTrainingJobs": "a job takes longer than some seconds",
    "sagemaker:ListTransformJobs": "orphans are looked for",
    "sagemaker:ListHyperParameterTuningJobs": "orphans are looked for",
    "sagemaker:UpdateModelPackage": "a version is broken",
    "sagemaker:DeleteEndpoint": "a new endpoint's first version is broken",
}


def stated(document: str) -> list[dict[str, Any]]:
    """The policies below a document's heading, with this bucket and this role."""
    text = (ROOT / "docs" / document).read_text(encoding="utf-8").partition("## Permissions\n")[2]
    found = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    return [
        json.loads(one.replace(":BUCKET", f":{BUCKET}").replace("role/ROLE", f"role/{ROLE}"))
        for one in found
    ]


RETRAINING, JOBS = stated("aws.md")
(DEPLOYMENT,) = stated("deployment.md")
AIRFLOW = {**RETRAINING, "Statement": [*RETRAINING["Statement"], *DEPLOYMENT["Statement"]]}


def actions(policy: dict[str, Any]) -> set[str]:
    listed = [one["Action"] for one in policy["Statement"]]
    return {name for one in listed for name in ([one] if isinstance(one, str) else one)}


def without(policy: dict[str, Any], action: str) -> dict[str, Any]:
    kept = []
    for one in policy["Statement"]:
        names = [one["Action"]] if isinstance(one["Action"], str) else one["Action"]
        if left := [name for name in names if name != action]:
            kept.append({**one, "Action": left})
    return {**policy, "Statement": kept}


def make_user(iam: Any, name: str, policy: dict[str, Any]) -> tuple[str, str]:
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="least", PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return key["AccessKeyId"], key["SecretAccessKey"]


def make_role(iam: Any) -> None:
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **TRUST}]}
    iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=json.dumps(trust))
    iam.put_role_policy(RoleName=ROLE, PolicyName="least", PolicyDocument=json.dumps(JOBS))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, run_embedded_sagemaker: Any) -> Iterator[Place]:
    table = (ROOT / ".local" / "sample-data" / "california_housing.csv").read_bytes()
    options = ("--enforce-iam", "--log-level", "DEBUG")
    with new_place(
        tmp_path_factory.mktemp("permissions"), run_embedded_sagemaker, *options
    ) as place:
        place.land(NAME, SNAPSHOT, table, name="houses.csv")
        iam = place.client("iam")
        make_role(iam)
        yield as_user(place, make_user(iam, "airflow", AIRFLOW))


def as_user(place: Place, key: tuple[str, str]) -> Place:
    own = {"AWS_ACCESS_KEY_ID": key[0], "AWS_SECRET_ACCESS_KEY": key[1]}
    return replace(place, variables={**place.variables, **own})


def asked(place: Place, principal: str) -> set[str]:
    """What a principal was allowed, by the server's log."""
    log = place.server.state.with_suffix(".log").read_text(encoding="utf-8")
    assert f"{principal}: " in log
    return set(re.findall(rf"{re.escape(principal)}: (\S+) on .* is allowed", log))


@pytest.mark.e2e
@pytest.mark.timeout(1200)
def test_a_night_passes_under_the_stated_policies_and_uses_all_of_them(place: Place) -> None:
    sagemaker = place.client("sagemaker")
    (trained,), log = place.run("california_housing_retraining", {"snapshot": SNAPSHOT})
    assert trained["state"] == "success", log[-5000:]
    (made,) = place.versions(NAME)
    registry.approve(sagemaker, made["ModelPackageArn"], reason="by a test")
    later = [
        place.register_like(made["ModelPackageArn"], snapshot=date).number
        for date in ("2026-11-21", "2026-11-22")
    ]
    confs = [{"version": version, "keep": 1} for version in (1, *later)]
    runs, log = place.run("california_housing_deployment", *confs)
    assert [run["state"] for run in runs] == ["success"] * 3, log[-5000:]
    account = "123456789012"
    used = asked(place, f"arn:aws:iam::{account}:user/airflow")
    assert actions(AIRFLOW) - SELDOM.keys() <= used <= actions(AIRFLOW)
    assert asked(place, f"arn:aws:sts::{account}:assumed-role/{ROLE}/SageMaker") == actions(JOBS)

    # Who only retrains needs nothing of the other policy, though something serves.
    key = make_user(place.client("iam"), "retrainer", RETRAINING)
    (again,), log = as_user(place, key).run("california_housing_retraining", {"snapshot": SNAPSHOT})
    assert again["state"] == "success", log[-5000:]
    assert "serves on endpoint" in log
    used = asked(place, f"arn:aws:iam::{account}:user/retrainer")
    assert actions(RETRAINING) - SELDOM.keys() <= used <= actions(RETRAINING)


def called(action: str, client: Callable[[str], Any]) -> str:
    """Make the simplest call that needs an action; return the code and message of its refusal."""
    try:
        CALLS[action](client)
    except ClientError as error:
        told = error.response["Error"]
        return f"{told['Code']}: {told['Message']}"
    return ""


def named(operation: str, **members: Any) -> Callable[[Callable[[str], Any]], Any]:
    return lambda client: getattr(client("sagemaker"), operation)(**members)


PROCESSING: dict[str, Any] = {
    "ProcessingJobName": "job",
    "RoleArn": environment.ROLE_ARN,
    "AppSpecification": {
        "ImageUri": environment.SKLEARN_IMAGE_URI,
        "ContainerEntrypoint": ["true"],
    },
    "ProcessingResources": {
        "ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}
    },
}
TRAINING: dict[str, Any] = {
    "TrainingJobName": "job",
    "RoleArn": environment.ROLE_ARN,
    "AlgorithmSpecification": {
        "TrainingImage": environment.SKLEARN_IMAGE_URI,
        "ContainerEntrypoint": ["true"],
        "TrainingInputMode": "File",
    },
    "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/models"},
    "ResourceConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1},
    "StoppingCondition": {"MaxRuntimeInSeconds": 60},
}
GROUP = {"ModelPackageGroupName": "of-its-own"}
PACKAGE = "arn:aws:sagemaker:us-east-1:123456789012:model-package/of-its-own/1"
TAGGED = "arn:aws:sagemaker:us-east-1:123456789012:model-package-group/of-its-own"
VARIANT = {
    "VariantName": "all",
    "ModelName": "own",
    "ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 1},
}
CONFIG = {"EndpointConfigName": "own", "ProductionVariants": [VARIANT]}
ENDPOINT = {"EndpointName": "own", "EndpointConfigName": "own"}
CALLS: dict[str, Callable[[Callable[[str], Any]], Any]] = {
    "s3:GetObject": lambda client: client("s3").get_object(Bucket=BUCKET, Key="none"),
    "s3:PutObject": lambda client: client("s3").put_object(Bucket=BUCKET, Key="some", Body=b""),
    "s3:ListBucket": lambda client: client("s3").list_objects_v2(Bucket=BUCKET),
    "logs:DescribeLogStreams": lambda client: client("logs").describe_log_streams(
        logGroupName="/aws/sagemaker/TrainingJobs"
    ),
    "logs:GetLogEvents": lambda client: client("logs").get_log_events(
        logGroupName="/aws/sagemaker/TrainingJobs", logStreamName="none"
    ),
    "iam:PassRole": named("create_processing_job", **PROCESSING),
    "sagemaker:CreateProcessingJob": named("create_processing_job", **PROCESSING),
    "sagemaker:CreateTrainingJob": named("create_training_job", **TRAINING),
    "sagemaker:CreateModelPackageGroup": named("create_model_package_group", **GROUP),
    "sagemaker:CreateModelPackage": named("create_model_package", **GROUP, SourceUri="s3://a/b"),
    "sagemaker:AddTags": named("add_tags", ResourceArn=TAGGED, Tags=[{"Key": "a", "Value": "b"}]),
    "sagemaker:ListTags": named("list_tags", ResourceArn=TAGGED),
    "sagemaker:UpdateModelPackage": named("update_model_package", ModelPackageArn=PACKAGE),
    "sagemaker:CreateModel": named(
        "create_model",
        ModelName="own",
        ExecutionRoleArn=environment.ROLE_ARN,
        PrimaryContainer={"Image": environment.SKLEARN_IMAGE_URI},
    ),
    "sagemaker:CreateEndpointConfig": named("create_endpoint_config", **CONFIG),
    "sagemaker:CreateEndpoint": named("create_endpoint", **ENDPOINT),
    "sagemaker:UpdateEndpoint": named("update_endpoint", **ENDPOINT),
    "sagemaker:InvokeEndpoint": lambda client: client("sagemaker-runtime").invoke_endpoint(
        EndpointName="none", Body=b""
    ),
    **{
        f"sagemaker:{verb}{noun}": named(f"{verb.lower()}_{word}", **{f"{noun}Name": "none"})
        for noun, word in {
            "ProcessingJob": "processing_job",
            "TrainingJob": "training_job",
            "ModelPackageGroup": "model_package_group",
            "ModelPackage": "model_package",
            "Model": "model",
            "EndpointConfig": "endpoint_config",
            "Endpoint": "endpoint",
        }.items()
        for verb in ("Describe", "Stop", "Delete")
    },
    **{
        f"sagemaker:List{noun}": named(f"list_{word}")
        for noun, word in {
            "ProcessingJobs": "processing_jobs",
            "TrainingJobs": "training_jobs",
            "TransformJobs": "transform_jobs",
            "HyperParameterTuningJobs": "hyper_parameter_tuning_jobs",
            "ModelPackages": "model_packages",
            "Models": "models",
            "EndpointConfigs": "endpoint_configs",
        }.items()
    },
}


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory, run_embedded_sagemaker: Any) -> Iterator[Any]:
    state = tmp_path_factory.mktemp("one-by-one") / "state"
    with run_embedded_sagemaker(state, "--enforce-iam") as server:
        server.client("s3").create_bucket(Bucket=BUCKET)
        make_role(server.client("iam"))
        yield server


def clients(server: Any, keys: tuple[str, str]) -> Callable[[str], Any]:
    return lambda service: boto3.client(
        service,
        endpoint_url=server.url,
        region_name="us-east-1",
        aws_access_key_id=keys[0],
        aws_secret_access_key=keys[1],
    )


@pytest.mark.parametrize("action", sorted(actions(AIRFLOW)))
def test_what_is_taken_away_is_named(account: Any, action: str) -> None:
    iam, name = account.client("iam"), action.replace(":", "-")
    less = clients(account, make_user(iam, f"{name}-less", without(AIRFLOW, action)))
    told = called(action, less)
    assert re.match(r"AccessDenied(Exception)?: User: ", told), told
    assert f"is not authorized to perform: {action} on resource: " in told
    least = clients(account, make_user(iam, f"{name}-least", AIRFLOW))
    assert not called(action, least).startswith("AccessDenied")
